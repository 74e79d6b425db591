// A page of React as a server makes it: what the package's components are before a browser has them.

import { createElement as element } from "react";
import { renderToString } from "react-dom/server.edge";
import { Tidemill } from "tidemill";
import { ProgressBar, StatusCenter, StatusCenterProvider, TidemillProvider, useJob } from "tidemill/react";

function Job() {
  const { connection } = useJob("019e0000-0000-7000-8000-000000000000");
  return element("p", null, connection);
}

export function page(url: string): string {
  const shown = [Job, () => element(ProgressBar, { value: 30 }), StatusCenter].map((part, key) =>
    element(part, { key }),
  );
  const center = element(StatusCenterProvider, null, shown);
  const client = new Tidemill({ url });
  // biome-ignore lint/correctness/noChildrenProp: its types ask for them among the others
  return renderToString(element(TidemillProvider, { client, children: center }));
}
