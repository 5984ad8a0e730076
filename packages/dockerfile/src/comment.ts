import type { SourceRange } from "@varve/errors";
import type { Dockerfile } from "./ast.ts";

/**
 * The comments that belong to an instruction, `#` and blanks around taken off, in order: those above it back to the instruction before, or to a comment
 * without text. Blank lines do not part them; parser directives are none. As in BuildKit an indented one keeps its `#`, so it describes nothing and is no `check=`.
 */
export function commentsAbove({ text, directives }: Dockerfile, instruction: { readonly range: SourceRange }): readonly string[] {
  const first = directives.at(-1)?.range.end.offset ?? -1;
  const found: string[] = [];
  for (let end = text.lastIndexOf("\n", instruction.range.start.offset - 1); end > first;) {
    // lastIndexOf takes a negative index for 0
    const start = end === 0 ? 0 : text.lastIndexOf("\n", end - 1) + 1;
    const line = text.slice(start === 0 && text.startsWith("\ufeff") ? 1 : start, end);
    end = start - 1;
    if (line.trim() === "") continue;
    // the first character goes, be it the # or a blank before it
    const comment = line.slice(1).trim();
    if (!line.trimStart().startsWith("#") || comment === "") break;
    found.push(comment);
  }
  return found.reverse();
}

/** What a comment above an instruction says of `name`: the rest of one that begins with the name and a blank. */
export function descriptionOf(dockerfile: Dockerfile, instruction: { readonly range: SourceRange }, name: string): string | undefined {
  return commentsAbove(dockerfile, instruction)
    .find((comment) => comment.startsWith(`${name} `))
    ?.slice(name.length + 1);
}
