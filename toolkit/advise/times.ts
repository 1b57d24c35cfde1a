import type pg from "pg";
import { median } from "../statistics.ts";
import type { Table } from "./catalog.ts";
import { type Measurement, measure, type PlanNode, planOf, shapeOf } from "./measure.ts";
import { type Example, featuresOf, train } from "./model.ts";
import type { Statement } from "./workload.ts";

/** A statement of the workload, with the tables that it reads or writes. */
export interface Question {
  statement: Statement;
  /** Of its text. */
  fingerprint: string;
  tables: Set<Table>;
  /** The table that it inserts into. */
  inserts: Table | undefined;
}

/** Milliseconds that a statement may take on the copy: one that is ended then counts as if it took so long. */
export const copyTimeout = 30_000;
const queryCanceled = "57014";

/** Repeated measurements of one statement with one plan. */
export interface Runs {
  key: string;
  /** Milliseconds of all calls as they would be in the database, by each run. */
  ms: number[];
}

interface TimesOptions {
  /** Measurements of earlier runs. */
  history: readonly Example[];
  /** By how much a table of the copy is smaller, by its unqualified name: what reads it all takes so much longer there. */
  thinning: Map<string, number>;
}

/** Everything that was measured, and times of plans: measured where they were, otherwise predicted. */
export class Times {
  readonly examples: Example[];
  readonly client: pg.Client;
  readonly thinning: Map<string, number>;
  #runs = new Map<string, number[]>();
  #first = new Map<Question, Measurement>();
  #model;

  constructor(client: pg.Client, options: TimesOptions) {
    this.client = client;
    this.examples = [...options.history];
    this.thinning = options.thinning;
    this.#model = train(this.examples);
  }

  /** Measures a statement as things stand. */
  async measure(question: Question): Promise<Measurement> {
    const found = await measure(this.client, question.statement).catch(async (error) => {
      if (error.code !== queryCanceled) throw error;
      return { plan: await planOf(this.client, question.statement), ms: copyTimeout, runs: [copyTimeout] };
    });
    this.examples.push({ statement: question.fingerprint, features: featuresOf(found.plan), ms: found.ms });
    const key = await this.#keyOf(question, found.plan);
    this.#runs.set(key, [...(this.#runs.get(key) ?? []), ...found.runs]);
    if (!this.#first.has(question)) this.#first.set(question, found);
    return found;
  }

  learn(): void {
    this.#model = train(this.examples);
  }

  /** What all calls of a statement take in the database, in milliseconds. @param exactly whether to measure new plans */
  async total(question: Question, exactly: boolean): Promise<number> {
    if (exactly) return median((await this.runs(question)).ms);
    const plan = await planOf(this.client, question.statement);
    const known = this.#runs.get(await this.#keyOf(question, plan));
    const ms = known ? median(known) : this.#predict(question, plan);
    return ms * this.#scale(plan) * question.statement.calls;
  }

  /** Every run of a statement as things stand, and what tells it from others. @param again whether to add some */
  async runs(question: Question, again = false): Promise<Runs> {
    const plan = await planOf(this.client, question.statement);
    const key = await this.#keyOf(question, plan);
    if (again || !this.#runs.has(key)) await this.measure(question);
    const factor = this.#scale(plan) * question.statement.calls;
    return { key, ms: (this.#runs.get(key) ?? []).map((ms) => ms * factor) };
  }

  /** What a statement that changes rows takes depends on every index of its tables, whatever its plan. */
  async #keyOf({ statement, tables }: Question, plan: PlanNode): Promise<string> {
    const shape = shapeOf(plan);
    const key = `${statement.text} ${JSON.stringify(statement.values)} ${shape}`;
    if (!shape.includes("ModifyTable")) return key;
    const { rows } = await this.client.query(
      `select string_agg(indexrelid::text, ' ' order by indexrelid) as kept from pg_index
       where indisready and indrelid::regclass in (
         select relid from unnest($1::text[]) as name cross join pg_partition_tree(to_regclass(name))
         union select to_regclass(name) from unnest($1::text[]) as name)`,
      [[...tables].map(({ name }) => name)],
    );
    return `${key} ${rows[0].kept}`;
  }

  /**
   * By how much the model, or the planner, thinks that it differs from the plan measured first: the more hopeful of the
   * two, for a hope is measured before it counts.
   */
  #predict(question: Question, plan: PlanNode): number {
    const first = this.#first.get(question);
    const predicted = this.#model.predict(featuresOf(plan));
    if (!first) return predicted;
    const byModel = predicted / this.#model.predict(featuresOf(first.plan));
    return first.ms * Math.min(byModel, plan["Total Cost"] / Math.max(first.plan["Total Cost"], 1e-6));
  }

  /** By how much longer a plan takes where its tables have all their rows. */
  #scale(plan: PlanNode): number {
    return Math.max(1, ...readers(plan).map((node) => this.thinning.get(node["Relation Name"]!) ?? 1));
  }
}

// From so many rows on, an index search finds more of them in a bigger table: fewer may be the one row of a unique key.
const growingRows = 3;
const blocking = /Sort|Aggregate|Hash|Unique|Group|WindowAgg|Materialize/;

/** The scans of a plan that read more in a bigger table: not a search for few rows, nor one that LIMIT soon ends. */
function readers(node: PlanNode, limited = false): PlanNode[] {
  const isLimited = node["Node Type"] === "Limit" || (limited && !blocking.test(node["Node Type"]));
  const below = (node.Plans ?? []).flatMap((child) => readers(child, isLimited));
  if (!node["Relation Name"]) return below;
  const byIndex = /Index/.test(node["Node Type"]);
  if (byIndex && isLimited && !node.Filter) return below;
  const searches = node["Index Cond"] !== undefined || node["Node Type"] === "Bitmap Heap Scan";
  return searches && node["Plan Rows"] <= growingRows ? below : [node, ...below];
}
