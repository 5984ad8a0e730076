const REFERENCE = /\$(?:\$|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu;

/**
 * The replacement of `${x//pattern/replacement}` goes through Go's regexp templates in BuildKit: `$0` is the match, `$$`
 * one `$`, any other `$name` nothing; a `$` before anything else stays.
 */
export function expandTemplate(replacement: string, match: string): string {
  return replacement.replace(REFERENCE, (whole: string, braced: string | undefined, plain: string | undefined) => {
    if (whole === "$$") return "$";
    return (braced ?? plain) === "0" ? match : "";
  });
}
