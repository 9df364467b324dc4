export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/** Between two of the numbers, in proportion. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = Math.floor(place);
  const next = sorted[Math.ceil(place)]!;
  return sorted[below]! + (next - sorted[below]!) * (place - below);
}

/**
 * Where the median of what the numbers are a sample of is, by their order alone: in 95 of 100 cases where they are
 * independent. Rounds of the same processes are not quite: of 36 rows of a build beside itself, 4 left out 1.
 */
export function medianInterval(numbers: readonly number[]): [number, number] {
  const sorted = [...numbers].sort((a, b) => a - b);
  const out = Math.max(0, Math.floor((sorted.length - 1.96 * Math.sqrt(sorted.length)) / 2));
  return [sorted[out]!, sorted.at(-1 - out)!];
}

/** The ratios in the same round. */
export function ratios(numerators: readonly number[], denominators: readonly number[]): number[] {
  return numerators.map((number, i) => number / denominators[i]!);
}
