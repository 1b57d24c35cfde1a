import { expect, test } from "@jest/globals";
import { type Example, heldOutError, train } from "../../../toolkit/advise/model.ts";

/** Statements whose time is their cost over a hundred. */
const examples = Array.from({ length: 60 }, (_, n): Example => {
  const cost = 10 * 1.15 ** n;
  return { statement: `s${n % 12}`, features: [Math.log(cost), (n * 7) % 5, 1], ms: cost / 100 };
});

test("the model predicts what follows a law, on statements that it has not seen", () => {
  expect(heldOutError(examples)).toBeLessThan(1.2);
  const predicted = train(examples).predict([Math.log(1_000), 2, 1]);
  expect(predicted / 10).toBeGreaterThan(0.8);
  expect(predicted / 10).toBeLessThan(1.25);
});

test("the error of times that follow nothing is told as it is", () => {
  const random = examples.map((example, n) => ({ ...example, ms: 10 ** (5 * Math.abs(Math.sin(n * n * 12.9898))) }));
  expect(heldOutError(random)).toBeGreaterThan(3);
});

test("of two statements no error can be told", () => {
  expect(heldOutError(examples.filter(({ statement }) => statement < "s10"))).toBeUndefined();
});
