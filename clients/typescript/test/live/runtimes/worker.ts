// The tour in a Worker: what it is given comes as a request, each fact goes out as a line of the answer. `/kept` uses one client
// of the module for all requests, `/forgotten` does too and does not wait for it.

import { Tidemill } from "tidemill";
import { type Given, tour } from "./tour.js";

let kept: Tidemill | undefined;
let asked = 0;

/** A client whose token is that of another service. */
function client(url: string): Tidemill {
  kept ??= new Tidemill({
    url,
    token: async () => {
      asked += 1;
      await (await fetch(`${url}/healthz`)).text();
      return "unused";
    },
  });
  return kept;
}

async function facts(given: Given, into: WritableStream<Uint8Array>): Promise<void> {
  const writer = into.getWriter();
  const say = (fact: unknown) => writer.write(new TextEncoder().encode(`${JSON.stringify(fact)}\n`));
  try {
    for await (const fact of tour(given)) await say(fact);
  } catch (error) {
    await say({ is: "thrown", error: String((error as Error).stack) });
  }
  await writer.close();
}

export default {
  async fetch(request: Request): Promise<Response> {
    const given: Given = await request.json();
    const { pathname } = new URL(request.url);
    if (pathname === "/kept") {
      const { id } = await client(given.url).enqueue("greet", {});
      return Response.json({ result: await client(given.url).result(id), asked });
    }
    if (pathname === "/forgotten") {
      void client(given.url)
        .get("execution:nobody")
        .catch(() => {});
      return new Response();
    }
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    void facts(given, writable);
    return new Response(readable);
  },
};
