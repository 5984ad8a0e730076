import { expect, test } from "vitest";
import { giveRoom, ownRoom, takeRoom } from "./byte-room.ts";

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

test("bytes that own their buffer are freed when they are given back, once; others, and few, are left alone", () => {
  const buffer = new ArrayBuffer(MIB);
  const bytes = new Uint8Array(buffer, 0, 10);
  ownRoom(bytes);
  giveRoom(new Uint8Array(buffer, 0, 10));
  expect(buffer.byteLength).toBe(MIB);
  giveRoom(bytes);
  giveRoom(bytes);
  expect([buffer.byteLength, bytes.length]).toEqual([0, 0]);
  const few = new Uint8Array(10);
  ownRoom(few);
  giveRoom(few);
  expect(few.length).toBe(10);
});
