import { defineConfig } from "vitest/config";

const common = { pool: "forks", testTimeout: 60_000, hookTimeout: 120_000, server: { deps: { inline: [/@varve\//] } } } as const;
const source = { resolve: { conditions: ["varve-source"] }, ssr: { resolve: { conditions: ["varve-source"] } } } as const;
// VARVE_LONG=1 (npm run test:long) runs the long suites instead of the core
const long = process.env["VARVE_LONG"] === "1";
const pattern = long ? "*.long.test.ts" : "*.test.ts";
const exclude = ["**/node_modules/**", "**/dist/**", ...(long ? [] : ["**/*.long.test.ts"])];

// tests of packages run on the source; tests of the program build it first, so that neither can see a stale build
export default defineConfig({
  test: {
    // vitest leaves one core free, of two: most tests wait for other programs
    maxWorkers: "100%",
    projects: [
      { ...source, test: { ...common, name: "packages", include: [`packages/*/src/**/${pattern}`], exclude } },
      { ...source, test: { ...common, name: "repository", include: [`test/${pattern}`], exclude } },
      { ...source, test: { ...common, name: "program", include: [`test/*/**/${pattern}`], exclude, globalSetup: ["test/build-program.ts"] } },
    ],
  },
});
