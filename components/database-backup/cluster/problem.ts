import { PreflightError } from "../../../kubernetes/problem";

/** A backup or restore that cannot be made, or is not equal to what it should be; names the database, the cause and the fix. */
export class BackupError extends PreflightError {}
