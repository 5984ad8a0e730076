import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["varve-source"] },
  ssr: { resolve: { conditions: ["varve-source"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "test/**/*.test.ts"],
    globalSetup: ["test/build-program.ts"],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 120_000,
    server: { deps: { inline: [/@varve\//] } },
  },
});
