import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

/** Longest wait for the engine to take a message, in milliseconds. */
const DEADLINE_MS = 5000;

/** Sends messages to the engine, which shows them beside the resource they belong to. Never fails an operation. */
export class EngineLog {
  private readonly client: EngineClient | undefined;
  private readonly underWay = new Set<Promise<void>>();

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
    const { client } = this;
    if (!client) return;
    const sent = new Promise<void>((resolve) => {
      client.log(request, new grpc.Metadata(), { deadline: Date.now() + DEADLINE_MS }, () => resolve());
    }).finally(() => this.underWay.delete(sent));
    this.underWay.add(sent);
  }

  /** Resolves when the engine has everything said so far: it may end this process once an operation is answered. */
  async flush(): Promise<void> {
    await Promise.all(this.underWay);
  }
}
