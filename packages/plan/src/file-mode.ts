/** Whether `--chmod` takes this text: octal up to 07777, or symbolic clauses as chmod(1) has them (`u=rwX,go=rX`, `+x`, `g=u`). */
export function isFileMode(text: string): boolean {
  if (/^[0-7]+$/.test(text)) return Number.parseInt(text, 8) <= 0o7777;
  return !/^[0-9]/.test(text) && text.split(",").every((clause) => /^[augo]*([-+=][rstwXxugo]*)+$/.test(clause));
}
