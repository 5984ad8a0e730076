#!/usr/bin/env node
import "../dist/varve.js";
