// The description of a page for a model: its address, its text, and what can be clicked or filled in, numbered in the order of
// the page. The numbers stay on the elements until the next look. Texts are as they stand on the page, longer than they are
// shown: what shortens them must have covered their secrets.
((limits) => {
  const MARK = "data-tidemill-ref";
  const WANTED = "a[href],button,input,select,textarea,summary,label[for],[role=button],[role=link],[role=checkbox],[role=tab],[role=menuitem],[role=option],[role=textbox],[contenteditable=''],[contenteditable=true],[onclick]";
  const bounded = (text) => (text ?? "").trim().slice(0, limits.line).toWellFormed();
  const isSeen = (element) => {
    const box = element.getBoundingClientRect();
    if (box.width < 1 || box.height < 1) return false;
    const style = getComputedStyle(element);
    return style.visibility !== "hidden" && style.display !== "none";
  };
  const labelOf = (element) =>
    bounded(element.getAttribute("aria-label") || [...(element.labels ?? [])].map((label) => label.innerText).join(" ") ||
      element.innerText || element.placeholder || element.title || element.name || element.getAttribute("alt") ||
      (element.type === "submit" || element.type === "button" ? element.value : ""));
  const roleOf = (element) => {
    const role = element.getAttribute("role");
    if (role) return role;
    switch (element.tagName) {
      case "A": return "link";
      case "SELECT": return "select";
      case "TEXTAREA": return "textbox";
      case "INPUT":
        if (["checkbox", "radio", "file"].includes(element.type)) return element.type;
        return ["submit", "button", "reset", "image"].includes(element.type) ? "button" : "textbox";
      default: return "button";
    }
  };
  for (const old of document.querySelectorAll(`[${MARK}]`)) old.removeAttribute(MARK);
  // A new window would be out of sight.
  for (const opener of document.querySelectorAll("a[target],form[target],base[target]")) opener.removeAttribute("target");
  const elements = [];
  for (const element of document.querySelectorAll(WANTED)) {
    if (elements.length >= limits.elements) break;
    if (element.type === "hidden" || !isSeen(element)) continue;
    const number = elements.length + 1;
    element.setAttribute(MARK, String(number));
    const seen = { element: number, role: roleOf(element), label: labelOf(element) };
    if (seen.role === "textbox") {
      if (element.type === "password") seen.kind = "password";
      else seen.value = bounded(element.value ?? element.innerText);
    }
    if (seen.role === "select") {
      seen.value = bounded(element.selectedOptions?.[0]?.label);
      seen.options = [...element.options].slice(0, limits.options).map((option) => bounded(option.label));
    }
    if (seen.role === "checkbox" || seen.role === "radio") seen.value = element.checked ? "on" : "off";
    if (element.disabled) seen.kind = "disabled";
    elements.push(seen);
  }
  const text = (document.body?.innerText ?? "").trim().slice(0, limits.text).toWellFormed();
  return { url: location.href, title: bounded(document.title), text, elements };
})
