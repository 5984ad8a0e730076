import type { ContextSurvey, SurveyVerdict } from "@varve/context";
import { visibleText } from "@varve/errors";
import { formatBytes } from "../options/quantities.ts";
import { renderTable } from "../table.ts";

/** How many offenders of a kind are shown. */
const MOST = 10;

/** Totals, the largest files and directories, and what is left out by which line; with `all`, every file. */
export function surveyText(survey: ContextSurvey, path: string, all: boolean): string {
  const { files, directories, leftOut, ignoreFile } = survey;
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const parts = [`${counted(files.length, "file")} in ${counted(directories + 1, "directory", "directories")} of ${path}, ${formatBytes(total)}\n`];
  const shown = all ? files : files.toSorted(bySize).slice(0, MOST);
  if (shown.length > 0)
    parts.push(renderTable([["SIZE", more("FILE", shown.length, files.length)], ...shown.map((file) => [formatBytes(file.size), file.path])]));
  const folders = directoriesBySize(survey);
  const largest = folders.slice(0, MOST);
  if (largest.length > 0) {
    const rows = largest.map((folder) => [formatBytes(folder.size), String(folder.files), folder.path]);
    parts.push(renderTable([["SIZE", "FILES", more("DIRECTORY", largest.length, folders.length)], ...rows]));
  }
  if (ignoreFile === undefined) parts.push("nothing is left out: there is no .dockerignore\n");
  else if (leftOut.length === 0) parts.push(`nothing is left out by ${ignoreFile}\n`);
  else {
    const first = all ? leftOut : leftOut.slice(0, MOST);
    const rows = first.map(({ path: left, rule }) => [left, `${ignoreFile}:${rule.line}: ${rule.text}`]);
    parts.push(renderTable([[more("LEFT OUT", first.length, leftOut.length), "BY"], ...rows]));
  }
  return parts.join("\n");
}

/** Everything, for programs. Sizes in bytes. */
export function surveyJson(survey: ContextSurvey): string {
  const { files, directories, leftOut, ignoreFile } = survey;
  return printed({
    files,
    directories,
    size: files.reduce((sum, { size }) => sum + size, 0),
    largestDirectories: directoriesBySize(survey).slice(0, MOST),
    ...(ignoreFile === undefined ? {} : { ignoreFile }),
    leftOut: leftOut.map(({ path, rule }) => ({ path, line: rule.line, pattern: rule.text })),
  });
}

/** One sentence: whether a path is sent, and why. */
export function verdictText({ path, exists, leftOut, enteredAllTheSame, rule, ignoreFile }: SurveyVerdict, context: string): string {
  const name = path === "" ? "." : visibleText(path);
  const what = exists ? `${name} is ${leftOut ? "left out" : "sent"}` : `${name} is not in ${context}; it would be ${leftOut ? "left out" : "sent"}`;
  if (ignoreFile === undefined) return `${what}: there is no .dockerignore\n`;
  if (rule === undefined) return `${what}: no line of ${ignoreFile} excludes it\n`;
  const below = enteredAllTheSame ? " (a line with ! may bring back what is below it)" : "";
  return `${what}: ${ignoreFile}:${rule.line}: ${visibleText(rule.text)}${below}\n`;
}

/** The same for programs. */
export function verdictJson({ path, exists, leftOut, rule, ignoreFile }: SurveyVerdict): string {
  const decidedBy = rule === undefined ? {} : { decidedBy: { line: rule.line, pattern: rule.text } };
  return printed({ path, exists, sent: exists && !leftOut, leftOut, ...(ignoreFile === undefined ? {} : { ignoreFile }), ...decidedBy });
}

interface DirectorySize {
  readonly path: string;
  /** Bytes of all files below. */
  readonly size: number;
  readonly files: number;
}

function directoriesBySize({ files }: ContextSurvey): readonly DirectorySize[] {
  const found = new Map<string, DirectorySize>();
  for (const { path, size } of files)
    for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
      const folder = path.slice(0, slash);
      const known = found.get(folder);
      found.set(folder, { path: folder, size: (known?.size ?? 0) + size, files: (known?.files ?? 0) + 1 });
    }
  return [...found.values()].toSorted(bySize);
}

function bySize(a: { readonly size: number; readonly path: string }, b: { readonly size: number; readonly path: string }): number {
  return b.size - a.size || (a.path < b.path ? -1 : 1);
}

function more(title: string, shown: number, all: number): string {
  return shown === all ? title : `${title} (${shown} of ${all})`;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function printed(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
