// Runs in the page when it has loaded, or is late; answers what a person would find by looking. Changes nothing.
(async (isLate) => {
  // It may have gone elsewhere since, and half of a page has neither title nor links.
  if (!isLate && document.readyState === "loading") await new Promise((done) => document.addEventListener("DOMContentLoaded", done));
  const most = 1000;
  const list = (items) => [...new Set(items)].slice(0, most);
  const images = [...document.images];
  const hidden = (image) => image.closest("[aria-hidden=true]") || ["presentation", "none"].includes(image.getAttribute("role"));
  const named = (image) => image.hasAttribute("alt") || image.hasAttribute("aria-label") || image.hasAttribute("aria-labelledby");
  const address = (image) => image.currentSrc || image.src;
  const broken = await Promise.all(images
    .filter((image) => image.complete && image.naturalWidth === 0 && address(image))
    .slice(0, most)
    .map((image) => image.decode().then(() => null, () => address(image))));
  const loopback = (url) => ["localhost", "[::1]"].includes(url.hostname) || url.hostname.startsWith("127.");
  const insecure = (text) => {
    const url = URL.canParse(text, document.baseURI) && new URL(text, document.baseURI);
    return url && url.protocol === "http:" && !loopback(url) ? url.href : null;
  };
  const loaded = "img[src], script[src], iframe[src], audio[src], video[src], source[src], embed[src], track[src], object[data], link[rel~=stylesheet][href], link[rel~=icon][href]";
  const mixed = location.protocol !== "https:" ? [] : [...document.querySelectorAll(loaded)]
    .map((element) => insecure(element.getAttribute("src") ?? element.getAttribute("data") ?? element.getAttribute("href")));
  const timing = performance.getEntriesByType("navigation")[0];
  return JSON.stringify({
    url: location.href,
    is_whole: document.readyState !== "loading",
    is_html: document.contentType === "text/html" || document.contentType === "application/xhtml+xml",
    title: document.title.slice(0, most),
    links: list([...document.querySelectorAll("a[href], area[href]")].map((link) => link.href).filter((href) => typeof href === "string")),
    broken_images: list(broken.filter(Boolean)),
    images_without_alt: list(images.filter((image) => !named(image) && !hidden(image)).map(address)),
    insecure: list(mixed.filter(Boolean)),
    load_seconds: timing ? (timing.loadEventEnd || performance.now()) / 1000 : 0,
  });
})
