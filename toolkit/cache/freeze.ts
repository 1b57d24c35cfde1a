// What V8 takes on 64 bits, rounded up: a header, a pointer for each member, a number that is no small integer.
const [header, member, boxed] = [24, 8, 16];

/**
 * Freezes rows, for several callers get the same ones, and weighs them.
 * @returns bytes of memory: an estimate that rather says too much, for two bytes count for each character
 */
export function freezeAndWeigh(value: unknown): number {
  switch (typeof value) {
    case "string":
      return header + 2 * value.length;
    case "number":
    case "bigint":
      return boxed;
    case "object":
      break;
    default:
      return 0;
  }
  if (value === null) return 0;
  // The bytes of a view cannot be frozen, and JavaScript refuses the attempt.
  if (ArrayBuffer.isView(value)) return 4 * header + value.byteLength;
  let bytes = header + boxed;
  for (const inner of Object.values(value)) bytes += member + freezeAndWeigh(inner);
  Object.freeze(value);
  return bytes;
}
