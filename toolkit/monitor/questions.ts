import { bloat } from "./bloat.ts";
import { cacheHits } from "./cacheHits.ts";
import { checkpoints } from "./checkpoints.ts";
import { connections } from "./connections.ts";
import { deadTuples } from "./deadTuples.ts";
import { indexUsage } from "./indexUsage.ts";
import { locks } from "./locks.ts";
import { partitions } from "./partitions.ts";
import { queryPlans } from "./queryPlans.ts";
import type { Question } from "./question.ts";
import { replication } from "./replication.ts";
import { sequences } from "./sequences.ts";
import { settings } from "./settings.ts";
import { sizes } from "./sizes.ts";
import { slowQueries } from "./slowQueries.ts";
import { tableHealth } from "./tableHealth.ts";
import { transactions } from "./transactions.ts";
import { wraparound } from "./wraparound.ts";

/** Every question of a snapshot, in the order in which they are shown: what may stop the work first. */
export const questions: Question[] = [
  ...[locks, transactions, connections, replication, wraparound, sequences, partitions, checkpoints, settings],
  ...[slowQueries, tableHealth, deadTuples, bloat, indexUsage, cacheHits, sizes],
];

/** Questions that are asked by name only, for they read more than counters. */
export const onDemand: Question[] = [queryPlans];

/** All of them. */
export const allQuestions: Question[] = [...questions, ...onDemand];
