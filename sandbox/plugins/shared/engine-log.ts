import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

/** Sends messages to the engine, which shows them beside the resource they belong to. Never fails an operation. */
export class EngineLog {
  private readonly client: EngineClient | undefined;

  constructor(address: string | undefined) {
    this.client = address ? new EngineClient(address, grpc.credentials.createInsecure()) : undefined;
  }

  /** A line of progress, gone when the next one comes. */
  status(urn: string, message: string): void {
    this.log(urn, message, LogSeverity.INFO, true);
  }

  /** A line that stays in the run's diagnostics. */
  info(urn: string, message: string): void {
    this.log(urn, message, LogSeverity.INFO, false);
  }

  warn(urn: string, message: string): void {
    this.log(urn, message, LogSeverity.WARNING, false);
  }

  private log(urn: string, message: string, severity: LogSeverity, ephemeral: boolean): void {
    const request = new LogRequest();
    request.setSeverity(severity);
    request.setMessage(message);
    request.setUrn(urn);
    request.setEphemeral(ephemeral);
    this.client?.log(request, () => undefined);
  }
}
