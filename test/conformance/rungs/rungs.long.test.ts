import { describeRungs, describeSuite } from "./describe-rungs.ts";
import { WIDE_SUITE } from "./small-suite.ts";

describeRungs("long");
describeSuite("whole trees, on every rung", WIDE_SUITE);
