import { expect, test } from "vitest";
import { giveRoom, takeRoom } from "./byte-room.ts";

const MIB = 1024 * 1024;

test("room that was given back is used again, also for fewer bytes", () => {
  const first = takeRoom(MIB);
  first.fill(7);
  giveRoom(first);
  const second = takeRoom(MIB - 100);
  expect(second.buffer).toBe(first.buffer);
  expect(second.length).toBe(MIB - 100);
  expect(takeRoom(MIB).buffer).not.toBe(second.buffer);
});

test("only who has room can give it back, once", () => {
  const first = takeRoom(3 * MIB);
  giveRoom(first.subarray(1));
  giveRoom(new Uint8Array(first.buffer));
  expect(takeRoom(3 * MIB).buffer).not.toBe(first.buffer);
  giveRoom(first);
  const second = takeRoom(3 * MIB);
  expect(second.buffer).toBe(first.buffer);
  // it was given back before: it is another's now
  giveRoom(first);
  expect(takeRoom(3 * MIB).buffer).not.toBe(second.buffer);
});

test("little room is made anew; what lies idle has an end", () => {
  const small = takeRoom(100);
  giveRoom(small);
  expect(takeRoom(100).buffer).not.toBe(small.buffer);
  const many = Array.from({ length: 40 }, () => takeRoom(5 * MIB));
  for (const room of many) giveRoom(room);
  const again = new Set(Array.from({ length: 40 }, () => takeRoom(5 * MIB).buffer));
  const used = many.filter(({ buffer }) => again.has(buffer)).length;
  expect(used).toBeGreaterThan(0);
  expect(used).toBeLessThan(8);
});
