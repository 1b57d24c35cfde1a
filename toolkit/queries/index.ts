import { apiCost } from "./apiCost.ts";
import { correlationMatrix } from "./correlationMatrix.ts";
import { latestData } from "./latestData.ts";
import type { OptionTable } from "./options.ts";
import { priceExport } from "./priceExport.ts";
import { priceRange } from "./priceRange.ts";
import type { Query } from "./query.ts";
import { rateLimits } from "./rateLimits.ts";
import { screener } from "./screener.ts";
import { sectorPerformance } from "./sectorPerformance.ts";
import { topRecommendations } from "./topRecommendations.ts";

/** A query whose types of options and rows are not known: what a table of all of them holds. */
export type AnyQuery = Query<OptionTable, object>;

/** Every query that reads, with its name, summary and what its plan must look like. */
export const queries: readonly AnyQuery[] = [
  latestData,
  topRecommendations,
  sectorPerformance,
  priceRange,
  screener,
  correlationMatrix,
  apiCost,
  rateLimits,
  priceExport,
].map((query) => query as unknown as AnyQuery);
