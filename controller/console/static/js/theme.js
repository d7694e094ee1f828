// Light, dark, or as the system says.

const KEY = "waypost-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export function storedTheme() {
  try {
    return localStorage.getItem(KEY) || "auto";
  } catch {
    return "auto";
  }
}

export const isDark = (theme) => theme === "dark" || (theme === "auto" && dark.matches);

export function applyTheme(theme) {
  const set = () => {
    document.documentElement.dataset.theme = isDark(theme) ? "dark" : "light";
  };
  set();
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // a browser that keeps nothing still shows the theme
  }
  dark.addEventListener("change", set);
  return () => dark.removeEventListener("change", set);
}
