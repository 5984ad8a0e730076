/** Linux signals by name, without `SIG` (signal(7), and the aliases Docker knows). */
const NAMES = new Set(
  (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM " +
    "WINCH XCPU XFSZ RTMIN RTMAX"
  ).split(" "),
);

/** Whether STOPSIGNAL takes this text: a number other than 0, or a signal's name in any case, with or without `SIG`. */
export function isStopSignal(text: string): boolean {
  if (/^[-+]?\d+$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realTime = /^RT(MIN\+|MAX-)([1-9]\d?)$/.exec(name);
  if (realTime !== null) return Number(realTime[2]) <= (realTime[1] === "MIN+" ? 15 : 14);
  return NAMES.has(name);
}
