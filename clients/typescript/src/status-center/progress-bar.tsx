// A progress bar, also for screen readers.

export interface ProgressBarProps {
  /** From 0 to 100; null or undefined: the bar is indeterminate. */
  value?: number | null;
  /** The label for screen readers. By default "Progress". */
  label?: string;
  className?: string;
}

export function ProgressBar({ value, label = "Progress", className = "" }: ProgressBarProps) {
  const percent = value == null ? undefined : Math.round(Math.min(100, Math.max(0, value)));
  return (
    <div
      className={`tm-bar ${className}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      data-unknown={percent === undefined || undefined}
    >
      <div style={percent === undefined ? undefined : { inlineSize: `${percent}%` }} />
    </div>
  );
}
