/** The page's colours: a plot in it follows the reader's light or dark. */
export const [blue, light, green, yellow, red, muted, line] = [
  ...["var(--blue)", "var(--light)", "var(--green)", "var(--yellow)", "var(--red)"],
  ...["var(--muted)", "var(--line)"],
] as [string, string, string, string, string, string, string];
