/** What the API server answered when it refused. */
export class ApiError extends Error {
  /** Method and path; undefined when it was no single request. */
  request?: string;

  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** The API server did not answer, or what answered is none. */
export class UnreachableError extends Error {
  /** Method and path of the request. */
  request?: string;
}

/** The rest of a long list is gone from etcd's history, because reading it took too long. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && error.code === 410;
}
