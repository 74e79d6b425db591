// The restrictions of a role, as text. Pure; must never promise an action that the server refuses.

/**
 * The description of the role; nothing for an admin.
 * @param {Pick<Api.Me, "role" | "name" | "scopes">} me
 */
export function textOf({ role, name, scopes }) {
  const key = name ? `The key ${name}` : "This key";
  if (role === "admin") return "";
  if (role === "operator") return `Operator. ${key} acts on single jobs; queues, limits and many jobs at once need the scope admin.`;
  return scopes.includes("read") ? `Read only. ${key} sees everything that it may read, and changes nothing.` : `${key} has only the scope ${scopes.join(", ") || "none"}: most pages are closed to it.`;
}
