// Shows /api/v1/openapi.json as a page. Text only ever becomes a text node.

/** The base path of every route, where a proxy gives the server a part of a site. */
const BASE_PATH = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const METHODS = ["get", "post", "patch", "put", "delete"];
/** Recursive schemas are cut at this depth. */
const DEEPEST = 6;

/**
 * A schema of OpenAPI, or a parameter or an answer that stands beside it.
 *
 * @typedef {{ [field: string]: any, description?: string, $ref?: string, type?: string | string[], enum?: unknown[], required?: any, properties?: Record<string, Schema>, oneOf?: Schema[], anyOf?: Schema[], allOf?: Schema[] }} Schema
 * @typedef {{ properties: Record<string, Schema>, required?: string[] }} Fields
 * @typedef {{ description?: string, content?: Record<string, { schema?: Schema, example?: unknown }> }} Response
 * @typedef {{ summary?: string, description?: string, tags?: string[], security?: Record<string, string[]>[], parameters?: Schema[], requestBody?: Response, responses?: Record<string, Response> }} Operation
 * @typedef {{ id: string, method: string, path: string, operation: Operation }} Route
 * @typedef {Node | string | null | undefined | (Node | string | null | undefined | Node[])[]} Content
 */

/** @type {Schema} */
let api;

/**
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {Content[]} children
 */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(.../** @type {(Node | string)[]} */ (children.flat(Infinity)).filter((child) => child != null && child !== ""));
  return node;
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Text in which words between backticks are code.
 * @param {string} text
 */
function prose(text = "") {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

/**
 * Follows a `$ref`, and ignores `null` as an alternative.
 * @param {Schema} [schema]
 * @returns {Schema}
 */
function resolved(schema) {
  if (!schema) return {};
  if (schema.$ref) {
    const target = schema.$ref.split("/").slice(1).reduce((/** @type {Schema | undefined} */ at, key) => at?.[key], api);
    return { name: schema.$ref.split("/").pop(), ...target, description: schema.description ?? target?.description };
  }
  const choices = (schema.oneOf ?? schema.anyOf)?.filter((choice) => choice.type !== "null");
  if (choices?.length === 1) {
    const only = resolved(choices[0]);
    return { ...only, description: schema.description ?? only.description };
  }
  return schema;
}

/**
 * @param {Schema} [schema]
 * @returns {string}
 */
function kindOf(schema) {
  const full = resolved(schema);
  const choices = full.oneOf ?? full.anyOf;
  if (choices) return choices.map(kindOf).join(" or ");
  if (full.enum) return full.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [full.type].flat().filter((type) => type && type !== "null");
  if (types[0] === "array") return `array of ${kindOf(full.items)}`;
  if (full.name && types[0] === "object") return full.name;
  return [types.join(" or ") || "any JSON", full.format && `(${full.format})`].filter(Boolean).join(" ");
}

/** @param {Schema} schema */
function boundsOf(schema) {
  const full = resolved(schema);
  const words = [];
  if (full.minimum != null || full.maximum != null) words.push(`${full.minimum ?? "…"} to ${full.maximum ?? "…"}`);
  if (full.minLength != null || full.maxLength != null) words.push(`${full.minLength ?? 0} to ${full.maxLength ?? "…"} characters`);
  if (full.maxItems != null) words.push(`at most ${full.maxItems}`);
  if (full.default != null) words.push(`default ${JSON.stringify(full.default)}`);
  return words.join(", ");
}

/**
 * The object behind a schema, its own or that of an array's items.
 * @param {Schema} [schema]
 * @returns {Fields | null}
 */
function objectOf(schema) {
  const full = resolved(schema);
  if (full.type === "array" || [full.type].flat().includes("array")) return objectOf(full.items);
  if (full.allOf) {
    const parts = full.allOf.map(objectOf).filter((part) => part !== null);
    return { properties: Object.assign({}, ...parts.map((part) => part.properties)), required: parts.flatMap((part) => part.required ?? []) };
  }
  return full.properties ? /** @type {Fields} */ (full) : null;
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @param {boolean} needed
 * @param {string} [description]
 * @param {number} depth
 * @returns {HTMLElement}
 */
function field(name, schema, needed, description, depth = 0) {
  const inner = depth < DEEPEST ? objectOf(schema) : null;
  const bounds = boundsOf(schema);
  return element("div", { class: "field" },
    element("dt", {}, name, needed ? element("span", { class: "needed" }, "required") : null),
    element("dd", {},
      element("div", { class: "kind" }, kindOf(schema) + (bounds ? `, ${bounds}` : "")),
      element("div", {}, prose(description ?? resolved(schema).description))),
    inner ? later(`Fields of ${name}`, () => fields(inner, depth + 1)) : null);
}

/**
 * A part that is built when it is first opened.
 * @param {string} title
 * @param {() => Node} build
 */
function later(title, build) {
  const details = element("details", { toggle: () => { if (details.hasAttribute("open") && details.children.length === 1) details.append(build()); } },
    element("summary", {}, title));
  return details;
}

/**
 * @param {Fields} object
 * @param {number} depth
 * @returns {HTMLElement}
 */
function fields(object, depth = 0) {
  const required = new Set(object.required);
  return element("dl", { class: "fields" },
    Object.entries(object.properties).sort(([one], [other]) => Number(required.has(other)) - Number(required.has(one)))
      .map(([name, schema]) => field(name, schema, required.has(name), schema.description, depth)));
}

/** @param {Schema} schema */
function schemaView(schema) {
  const object = objectOf(schema);
  if (object) return [element("p", { class: "muted" }, kindOf(schema)), fields(object)];
  return element("dl", { class: "fields" }, field("body", schema, true));
}

/**
 * A value that fits the schema: its example, or the least that is required.
 * @param {Schema} [schema]
 * @param {number} depth
 * @returns {any}
 */
function exampleOf(schema, depth = 0) {
  const full = resolved(schema);
  const given = full.example ?? full.examples?.[0] ?? full.default;
  if (given !== undefined || depth > DEEPEST) return given ?? null;
  if (full.enum) return full.enum[0];
  const choice = (full.oneOf ?? full.anyOf)?.[0];
  if (choice) return exampleOf(choice, depth + 1);
  const type = [full.type].flat().find((type) => type !== "null");
  if (type === "array") return [exampleOf(full.items, depth + 1)];
  const { properties, required } = full;
  if (properties) {
    const names = required?.length ? /** @type {string[]} */ (required) : Object.keys(properties).slice(0, 2);
    return Object.fromEntries(names.map((name) => [name, exampleOf(properties[name], depth + 1)]));
  }
  return { string: full.format === "uuid" ? "01890a5d-ac96-774b-bcce-b302099a8057" : "text", integer: 1, number: 1, boolean: true }[/** @type {"string"} */ (type)] ?? {};
}

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * @param {string} method
 * @param {string} path
 * @param {Operation} operation
 */
function curl(method, path, operation) {
  const parameters = (operation.parameters ?? []).map(resolved);
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    const parameter = parameters.find((one) => one.in === "path" && one.name === name);
    return encodeURIComponent(parameter?.example ?? `<${name}>`).replaceAll("%3C", "<").replaceAll("%3E", ">").replaceAll("%3A", ":");
  });
  const query = parameters.filter((one) => one.in === "query" && one.required)
    .map((one) => `${one.name}=${encodeURIComponent(one.example ?? exampleOf(one.schema))}`).join("&");
  const streams = Object.values(operation.responses ?? {}).some((answer) => answer.content?.["text/event-stream"]);
  const lines = [`curl ${streams ? "-N " : ""}${method === "get" ? "" : `-X ${method.toUpperCase()} `}${quoted(location.origin + BASE_PATH + filled + (query && `?${query}`))}`];
  if (operation.security?.length) lines.push(`-H "Authorization: Bearer $TIDEMILL_KEY"`);
  if (streams) lines.push("-H 'Accept: text/event-stream'");
  const body = operation.requestBody?.content?.["application/json"];
  if (body) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body.example ?? exampleOf(body.schema)))}`);
  return lines.join(" \\\n  ");
}

/** @param {string} text */
function copied(text) {
  const button = element("button", { type: "button", click: async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
  return element("div", { class: "example" }, element("pre", {}, text), navigator.clipboard ? button : null);
}

/**
 * @param {string} status
 * @param {Response} response
 */
function answer(status, response) {
  const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
  const object = content?.schema && objectOf(content.schema);
  return element("div", { class: "field" },
    element("dt", {}, element("span", { class: `status ${Number(status) < 400 ? "good" : "bad"}` }, status)),
    element("dd", {}, element("div", {}, prose(response.description)),
      type ? element("div", { class: "kind" }, content.schema ? `${type}: ${kindOf(content.schema)}` : type) : null),
    object ? later("Fields", () => fields(object, 1)) : null);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Operation} operation
 */
function inside(method, path, operation) {
  const parameters = (operation.parameters ?? []).map(resolved);
  const body = operation.requestBody?.content?.["application/json"];
  const answers = Object.entries(operation.responses ?? {});
  return element("div", { class: "inside" },
    operation.description ? element("p", { class: "prose" }, prose(operation.description)) : null,
    parameters.length ? [element("h3", {}, "Parameters"), element("dl", { class: "fields" },
      parameters.map((one) => field(`${one.name}`, one.schema, one.required, [one.in !== "query" && `In the ${one.in}.`, one.description].filter(Boolean).join(" "))))] : [],
    body ? [element("h3", {}, "Body"), schemaView(body.schema ?? {})] : [],
    element("h3", {}, "Example"), copied(curl(method, path, operation)),
    answers.length ? [element("h3", {}, "Answers"), element("dl", { class: "fields" }, answers.map(([status, response]) => answer(status, resolved(response))))] : []);
}

/** @param {Operation} operation */
function scopesOf(operation) {
  const scopes = (operation.security ?? []).flatMap((requirement) => Object.values(requirement).flat());
  return scopes.length ? scopes.join(" or ") : "open";
}

/** @param {Route} route */
function card({ id, method, path, operation }) {
  const details = element("details", { toggle: () => { if (details.hasAttribute("open") && details.children.length === 1) details.append(inside(method, path, operation)); } },
    element("summary", {},
      element("span", { class: `method ${method}` }, method.toUpperCase()), element("span", { class: "path" }, path),
      element("span", { class: "scope", title: "The scope that a key needs" }, scopesOf(operation)),
      element("span", { class: "what" }, operation.summary ?? operation.description?.split("\n")[0] ?? "")));
  return element("article", { id }, details);
}

/** @returns {(Route & { tag: string })[]} */
function routes() {
  return Object.entries(api.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => ({
    method, path, operation: item[method], tag: item[method].tags?.[0] ?? "other",
    id: `${method}${path}`.replace(/[^\w]+/g, "-").replace(/-$/, ""),
  })));
}

function show() {
  const groups = Map.groupBy(routes(), (route) => route.tag);
  const [nav, main] = [byId("nav"), byId("main")];
  /** @type {{ heads: HTMLElement[], shown: { text: string, nodes: HTMLElement[] }[] }[]} */
  const parts = [];
  main.replaceChildren(element("h1", {}, api.info.title), element("p", { class: "muted" }, `Version ${api.info.version}, OpenAPI ${api.openapi}`),
    element("p", { class: "prose" }, prose(api.info.description)));
  nav.replaceChildren();
  for (const [tag, group] of groups) {
    const heads = [element("h2", {}, tag), element("h2", {}, tag)];
    nav.append(heads[0]);
    main.append(heads[1]);
    const shown = group.map((route) => {
      const link = element("a", { href: `#${route.id}` }, element("span", { class: `method ${route.method}` }, route.method.toUpperCase()), route.path.replace("/api/v1", ""));
      const article = card(route);
      nav.append(link);
      main.append(article);
      const text = [route.method, route.path, route.operation.summary, route.operation.description, tag].join(" ").toLowerCase();
      return { text, nodes: [link, article] };
    });
    parts.push({ heads, shown });
  }
  const filter = /** @type {HTMLInputElement} */ (byId("filter"));
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { heads, shown } of parts) {
      let any = false;
      for (const { text, nodes } of shown) {
        const fits = words.every((word) => text.includes(word));
        any ||= fits;
        for (const node of nodes) node.hidden = !fits;
      }
      for (const head of heads) head.hidden = !any;
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== filter) {
      event.preventDefault();
      filter.focus();
    }
  });
  addEventListener("hashchange", openTarget);
  openTarget();
}

function openTarget() {
  const article = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = article?.querySelector("details");
  if (!details) return;
  details.open = true;
  article?.scrollIntoView();
}

try {
  const response = await fetch(`${BASE_PATH}/api/v1/openapi.json`);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  api = await response.json();
  show();
} catch (error) {
  byId("main").replaceChildren(element("h1", {}, "The description did not load"),
    element("p", {}, `${error.message}. Reload the page, or read `, element("a", { href: `${BASE_PATH}/api/v1/openapi.json` }, "openapi.json"), " itself."));
}
