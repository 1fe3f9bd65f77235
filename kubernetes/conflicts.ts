import { ApiError } from "./api-errors";

const ATTEMPTS = 20;

/**
 * Reads, decides and writes; all of it once more when somebody else wrote in between.
 *
 * @throws ApiError what the API server refuses, and the last of many conflicts.
 */
export async function despiteConflicts<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 409) || attempt === ATTEMPTS) throw error;
    }
  }
}
