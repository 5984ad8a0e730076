#!/usr/bin/env node
// CommonJS: loading an ES module starts libuv's thread pool, whose size can't be changed from then on
const { availableParallelism } = require("node:os");

// all cores compress, two threads more read and write meanwhile
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2));
require("../dist/start.cjs");
