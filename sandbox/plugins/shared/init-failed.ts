import * as grpc from "@grpc/grpc-js";
import { BinaryWriter } from "google-protobuf";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import type { InitError } from "./handler";
import { send } from "./values";

/**
 * The error by which the engine knows that a resource exists but is not ready: it keeps the resource in state and
 * updates it again next time. It travels as a detail of the gRPC status, in the binary trailer that google.rpc.Status
 * defines (fields: 1 code, 2 message, 3 details as Any with 1 type_url, 2 value).
 */
export function initFailed(error: InitError, secrets: string[][]): Partial<grpc.StatusObject> {
  const detail = new ErrorResourceInitFailed();
  detail.setId(error.id);
  detail.setProperties(send(error.state, secrets));
  detail.setInputs(send(error.inputs, secrets));
  detail.setReasonsList(error.reasons);

  const any = new BinaryWriter();
  any.writeString(1, "type.googleapis.com/pulumirpc.ErrorResourceInitFailed");
  any.writeBytes(2, detail.serializeBinary());
  const status = new BinaryWriter();
  status.writeInt32(1, grpc.status.UNKNOWN);
  status.writeString(2, error.message);
  status.writeBytes(3, any.getResultBuffer());

  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(status.getResultBuffer()));
  return { code: grpc.status.UNKNOWN, details: error.message, metadata };
}
