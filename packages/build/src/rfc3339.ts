/** A time as configs hold it: RFC 3339 in UTC, without a fraction when it is a whole second. Milliseconds since the epoch. */
export function rfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(".000Z", "Z");
}
