#!/usr/bin/env node
// CommonJS: loading an ES module starts libuv's thread pool, whose size can't be changed from then on
const { availableParallelism } = require("node:os");
const { enableCompileCache } = require("node:module");

// all cores compress, two threads more read and write meanwhile
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2));
// Node 22.8 and later keep the compiled program between runs
enableCompileCache?.();
void import("../dist/varve.js");
