// The tour in Deno: what it is given comes as an argument, each fact goes out as a line.

import { tour } from "./tour.js";

declare const Deno: { args: string[] };

for await (const fact of tour(JSON.parse(Deno.args[0]!))) console.log(JSON.stringify(fact));
