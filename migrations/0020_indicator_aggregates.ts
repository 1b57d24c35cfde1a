import type { MigrationBuilder } from "node-pg-migrate";

/**
 * Two running averages as aggregates, to be used over a window that is ordered by date. Both start with the plain mean
 * of the first n values and are null before; then each value moves the average by a share of its distance:
 * - `ema`: 2 / (n + 1), the exponential moving average of Gerald Appel's MACD ("Technical Analysis: Power Tools for
 *   Active Investors", 2005);
 * - `wilder`: 1 / n, the smoothing of the relative strength index (J. Welles Wilder, "New Concepts in Technical
 *   Trading Systems", 1978, section VI).
 * Nulls are passed over. The state is {values seen, average, sum of the first values}.
 */
const averages = [
  { name: "ema", share: "2 / (periods + 1.0)" },
  { name: "wilder", share: "1.0 / periods" },
];

export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create function running_average(state double precision[])
    returns double precision
    language plpgsql immutable parallel safe as $$
    begin
      return state[2];
    end
    $$;
    comment on function running_average is 'final function of ema and wilder';`);
  for (const { name, share } of averages)
    pgm.sql(`
    create function ${name}_step(state double precision[], value double precision, periods integer)
    returns double precision[]
    language plpgsql immutable parallel safe as $$
    begin
      if value is null then
        return state;
      elsif state[2] is not null then
        return array[state[1], state[2] + (value - state[2]) * (${share}), 0];
      elsif periods is null or periods < 1 then
        raise exception '${name} over % periods is not defined', coalesce(periods::text, 'null')
          using errcode = 'invalid_parameter_value', hint = 'Give a number of periods from 1 up.';
      end if;
      return array[state[1] + 1,
                   case when state[1] + 1 = periods then (state[3] + value) / periods end,
                   state[3] + value];
    end
    $$;
    comment on function ${name}_step is 'state function of ${name}';

    create aggregate ${name}(value double precision, periods integer) (
      sfunc = ${name}_step, stype = double precision[], initcond = '{0,NULL,0}',
      finalfunc = running_average, parallel = safe
    );`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  for (const { name } of averages.toReversed())
    pgm.sql(`
    drop aggregate ${name}(double precision, integer);
    drop function ${name}_step(double precision[], double precision, integer);`);
  pgm.sql("drop function running_average(double precision[]);");
}
