/** What a user error may add to its first sentence. */
export interface UserErrorDetail {
  /** The reason, a whole sentence. */
  why?: string;
  /** What to do now, a whole sentence, with the command where there is one. */
  fix?: string;
  /** Process exit code: 1 a check failed (the default), 2 wrong usage. */
  exitCode?: 1 | 2;
  cause?: unknown;
}

/**
 * A mistake or a situation that the user can act on. Its message says what, why and what to do, and is shown
 * without a stack; every other error is a defect of ours and keeps its stack.
 */
export class UserError extends Error {
  readonly exitCode: 1 | 2;

  constructor(what: string, detail: UserErrorDetail = {}) {
    super(
      [what, detail.why && `  why: ${detail.why}`, detail.fix && `  fix: ${detail.fix}`].filter(Boolean).join("\n"),
      {
        cause: detail.cause,
      },
    );
    this.name = "UserError";
    this.exitCode = detail.exitCode ?? 1;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  // Not by instanceof: an error of another realm (a test runner's, a worker's) is none of ours.
  const message = (error as Partial<Error> | null | undefined)?.message;
  return typeof message === "string" ? message : String(error);
}
