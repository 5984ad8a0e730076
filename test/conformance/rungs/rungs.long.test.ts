import { describeRungs } from "./describe-rungs.ts";

describeRungs("long");
