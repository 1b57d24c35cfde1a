import { expect, test } from "@jest/globals";
import { nextBlock, quarters } from "../../infra/server/rds/network.ts";
import { backupWindows, lengthOf, maintenanceWindow, overlap, quietHour } from "../../infra/server/rds/windows.ts";

const meet = (backup: string, maintenance: string) =>
  backupWindows(backup).some((window) => overlap(window, maintenanceWindow(maintenance)));

test.each([
  ["01:00-02:00", "sun:03:00-sun:04:00", false],
  ["01:00-03:00", "sun:03:00-sun:04:00", false],
  ["01:00-03:01", "sun:03:00-sun:04:00", true],
  ["03:10-03:40", "sun:03:00-sun:04:00", true],
  ["23:30-00:30", "wed:00:00-wed:01:00", true],
  // Across the end of the week: Saturday night's backup runs into Sunday.
  ["23:30-00:30", "sun:00:00-sun:00:30", true],
  ["00:00-00:30", "sat:23:30-sun:00:15", true],
  ["00:15-00:45", "sat:23:30-sun:00:15", false],
])("a backup at %s and maintenance at %s overlap: %s", (backup, maintenance, expected) => {
  expect(meet(backup, maintenance)).toBe(expected);
});

test("a window that ends before it begins goes on into the next day, or week", () => {
  expect(lengthOf(backupWindows("23:30-00:30")[0]!)).toBe(60);
  expect(lengthOf(maintenanceWindow("sat:23:00-sun:01:00"))).toBe(120);
});

test("AWS Backup begins after both windows, and not in the hour before one", () => {
  expect(quietHour("01:00-02:00", "sun:03:00-sun:04:00")).toBe(4);
  expect(quietHour("01:00-02:00", "sun:10:00-sun:11:00")).toBe(2);
  expect(quietHour("22:30-23:15", "tue:00:30-tue:01:30")).toBe(2);
  expect(quietHour("00:00-12:00", "sun:12:00-sun:23:30")).toBeUndefined();
});

test("address blocks are divided and followed without a gap", () => {
  expect(quarters("10.87.0.0/16")).toEqual(["10.87.0.0/18", "10.87.64.0/18", "10.87.128.0/18", "10.87.192.0/18"]);
  expect(nextBlock("192.168.255.0/26", 2)).toBe("192.168.255.128/26");
  expect(nextBlock("10.87.255.0/24", 1)).toBe("10.88.0.0/24");
});
