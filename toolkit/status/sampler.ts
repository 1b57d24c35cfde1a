import { type Connection, explainFailure } from "../connection.ts";
import type { Answer, Question } from "../monitor/question.ts";
import { questions } from "../monitor/questions.ts";
import { type Snapshot, snapshot } from "../monitor/snapshot.ts";
import type { Overrides } from "../monitor/thresholds.ts";
import { KeptSession } from "../pool/keptSession.ts";
import { sessions } from "./sessions.ts";
import { traffic } from "./traffic.ts";

/** Everything that is asked for a view, a report or metrics. */
export const everything: Question[] = [...questions, traffic, sessions];

// A statement of a snapshot ends by itself after two seconds: without an answer by then, the network hangs.
const patience = 5_000;

/** Takes snapshots over one session that it keeps; one that is lost, or silent, is replaced at the next. */
export class Sampler {
  readonly #connection: Connection;
  readonly #limits: Overrides;
  readonly #session: KeptSession;

  /** @param name the session's application_name */
  constructor(connection: Connection, limits: Overrides, name: string) {
    this.#connection = connection;
    this.#limits = limits;
    this.#session = new KeptSession(connection, name, patience);
  }

  /** @throws UserError when the server cannot be reached; whatever a session that is lost throws */
  async sample(): Promise<Snapshot> {
    const client = await this.#session.get().catch((error) => {
      throw explainFailure(error, this.#connection);
    });
    try {
      return await snapshot(client, { limits: this.#limits, ask: everything });
    } catch (error) {
      this.#session.drop();
      throw error;
    }
  }

  /** Closes the session at once, whatever it waits for. */
  close(): void {
    this.#session.close();
  }
}

/** The rows that answer a question, with the type that it gives them; none where it was not asked. */
export function rowsOf<Row extends object>(
  taken: Snapshot,
  asked: { name: string; ask(...args: never[]): Promise<Answer<Row>> },
): Row[] {
  return (taken.answers[asked.name]?.rows ?? []) as Row[];
}
