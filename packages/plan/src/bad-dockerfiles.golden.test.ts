import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseDockerfile } from "@varve/dockerfile";
import { isVarveError, renderDiagnostic } from "@varve/errors";
import { expect, test } from "vitest";
import { plan } from "./plan-case.fixture.ts";

const folder = fileURLToPath(new URL("../../../fixtures/bad/", import.meta.url));

function message(file: string): string {
  const text = readFileSync(folder + file, "utf8");
  try {
    parseDockerfile(text, { file });
    plan(text);
  } catch (error) {
    if (isVarveError(error)) return renderDiagnostic(error);
    throw error;
  }
  throw new Error(`${file} was not refused`);
}

test("twenty bad Dockerfiles and what people see", async () => {
  const files = readdirSync(folder).filter((name) => name.endsWith(".Dockerfile"));
  expect(files).toHaveLength(20);
  const page = files.map((file) => `## ${file}\n\n\`\`\`\n${message(file)}\n\`\`\`\n`).join("\n");
  await expect(`# Twenty bad Dockerfiles\n\nWhat varve says of each file of this folder; written by a test.\n\n${page}`).toMatchFileSnapshot(
    `${folder}README.md`,
  );
});
