import { readFileSync } from "node:fs";

// One line for people and machines at the end of a run: jest's own summary is four.
const { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites } = JSON.parse(
  readFileSync(process.argv[2], "utf8"),
);
// A test file that cannot even be loaded counts as one failure.
const failed = numFailedTests + numRuntimeErrorTestSuites;
const skipped = numPendingTests ? `, ${numPendingTests} skipped` : "";
console.log(`${numPassedTests} passed, ${failed} failed${skipped}`);
