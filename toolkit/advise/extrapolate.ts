import { type Built, show } from "./builds.ts";
import { type Copy, shrink } from "./copy.ts";
import { type Measurement, shapeOf } from "./measure.ts";
import type { Question, Times } from "./times.ts";

/** A measurement of each statement. */
export type Measurements = Map<Question, Measurement>;

export interface StatementTimes {
  text: string;
  calls: number;
  /** Milliseconds a call without and with the advice, on the sample and extrapolated to the whole database. */
  before: { sample: number; whole: number };
  after: { sample: number; whole: number };
}

/** Measures again at a smaller size: how a time grew between the two tells what it is at the size of the database. */
export async function extrapolate(
  copy: Copy,
  times: Times,
  questions: readonly Question[],
  measured: { before: Measurements; after: Measurements; all: Built[] },
): Promise<StatementTimes[]> {
  const { client } = copy;
  await show(client, measured.all, measured.all);
  const share = await shrink(copy);
  const small = { before: new Map() as Measurements, after: new Map() as Measurements };
  for (const side of ["after", "before"] as const) {
    await show(client, measured.all, side === "after" ? measured.all : []);
    for (const question of questions) small[side].set(question, await times.measure(question));
  }
  return questions.map((question) => {
    const factor = Math.max(1, ...[...question.tables].map(({ relname }) => times.thinning.get(relname) ?? 1));
    const at = (side: "before" | "after") => {
      const [sample, smaller] = [timeOf(measured, question, side), timeOf(small, question, side)];
      // Between flat and linear: what lies outside is noise.
      const growth = share < 1 ? Math.log(sample / smaller) / Math.log(1 / share) : 1;
      return { sample, whole: sample * factor ** Math.min(Math.max(growth, 0), 1) };
    };
    const { text, calls } = question.statement;
    return { text, calls, before: at("before"), after: at("after") };
  });
}

/** Two times of a plan that only reads and has stayed the same differ by noise: they are one. */
function timeOf(
  measured: Record<"before" | "after", Measurements>,
  question: Question,
  side: "before" | "after",
): number {
  const [before, after] = [measured.before.get(question)!, measured.after.get(question)!];
  const shape = shapeOf(before.plan);
  const same = shape === shapeOf(after.plan) && !shape.includes("ModifyTable");
  return same ? Math.min(before.ms, after.ms) : measured[side].get(question)!.ms;
}
