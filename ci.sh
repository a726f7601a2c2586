#!/usr/bin/env bash
# The project's checks, for people and CI alike:
#
#   ./ci.sh            runs every job and goes on after a failure, so that one run names all that is wrong
#   ./ci.sh JOB...     runs these
#   ./ci.sh setup      installs what the jobs need, through rustup and cargo
#   ./ci.sh help       lists the jobs
#
# A job is a function `job_NAME` and its line in JOBS, or in ON_REQUEST when no full run needs it. It runs in a subshell
# of its own, stops at its first failing command, and is named with its time at the end. One that is in BESIDE too goes on
# beside those that come after it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

JOBS=(
  "fmt         every file as rustfmt.toml wants it, fuzz/, core/benches/ and tests/firmware/ too"
  "shellcheck  the scripts (where shellcheck is installed)"
  "clippy      workspace, core with every feature, the benchmark; warnings are errors"
  "doc         documentation of the workspace; warnings are errors"
  "test        the README's own test command"
  "conformance core's JSON reader against a JSONTestSuite folder (PUSHGATE_JSON_TEST_SUITE, else ../shared/json-test-suite)"
  "demo        the README's own demo command; output in target/ci/demo.log"
  "console     the console in a headless Chromium, against the built gateway; screenshots in target/ci/console/"
  "api         the built gateway asked by schemathesis whatever its OpenAPI documents allow, and much that they do not"
  "package     the Debian package: its files; installed, lived with by docs/operators.md, upgraded, purged (as root)"
  "firmware    a device's image: built for three targets, without a panic; run against the built gateway (with QEMU)"
  "miri        core's readers and writers under Miri (nightly)"
  "features    core with every set of its features (cargo-hack), then its tests with all of them"
  "baremetal   core without features for three microcontroller targets"
  "size        what the core costs a Cortex-M3: flash, stack, RAM and panics within tests/firmware/budget.txt (stack: with QEMU)"
  "msrv        workspace with the rust-version of Cargo.toml"
  "deny        licences, bans, sources and advisories (cargo-deny)"
  "fuzz        every fuzz target for FUZZ_SECONDS (60; 10 in a full run) (nightly)"
)

# Left out of a full run: measurements, which are for people to read.
ON_REQUEST=(
  "bench       core beside other JSON libraries, BENCH_SECONDS (3) a row: speed ratios, instructions (with valgrind)"
  "peers       a device's jobs with core and with other crates: flash, stack (with QEMU) and panics side by side"
)

# One core for minutes, nothing that depends on how fast the machine is, and a folder for its builds that no other job has.
# After it in JOBS come jobs that only build and compute: none keeps to a schedule.
BESIDE=(miri)

NIGHTLY=${NIGHTLY:-nightly}
BAREMETAL_TARGETS=(thumbv6m-none-eabi thumbv7em-none-eabi riscv32imc-unknown-none-elf)
FIRMWARE_TARGET=thumbv7m-none-eabi
# The Cortex-M3 that runs the image, a Cortex-M0 whose code runs there too, and a core that is none of ARM's.
IMAGE_TARGETS=("$FIRMWARE_TARGET" thumbv6m-none-eabi riscv32imc-unknown-none-elf)
# The oldest release of each tool known to work; a newer one is left alone.
TOOLS=(cargo-hack@0.6.46 cargo-deny@0.20.2 cargo-fuzz@0.13.2 cargo-deb@3.8.0)

OUT=$PWD/target/ci # logs of the last run, and `notes`: what it had to leave out

main() {
  mkdir -p "$OUT"
  if [[ ${1-} == --beside ]]; then
    # A part of a run that has begun: see begin_beside.
    seconds=$OUT/$2.seconds
    trap 'echo "$SECONDS" >"$seconds"' EXIT
    "job_$2"
    return
  fi
  : >"$OUT/notes"
  rm -f "$OUT/test.log"
  case ${1-} in
    help | -h | --help) usage ;;
    setup) setup ;;
    "")
      export FUZZ_SECONDS=${FUZZ_SECONDS:-10}
      # shellcheck disable=SC2046 # job names are single words
      run_jobs $(job_names)
      ;;
    *)
      require_known "$@"
      run_jobs "$@"
      ;;
  esac
}

# ---------------------------------------------------------------------------------------------------------- the jobs

job_fmt() {
  cargo fmt --all --check
  cargo fmt --manifest-path fuzz/Cargo.toml --check
  cargo fmt --manifest-path core/benches/Cargo.toml --check
  cargo fmt --manifest-path tests/firmware/Cargo.toml --all --check
  cargo fmt --manifest-path tests/firmware/peers/Cargo.toml --check
}

job_shellcheck() {
  need "the scripts were not checked" shellcheck shellcheck || return 0
  shellcheck ci.sh .ci/run tests/api/run.sh packaging/{build,try,postinst,postrm} packaging/stand-ins/*
}

job_clippy() {
  cargo clippy --locked --workspace --all-targets -- -D warnings
  # Nothing in the workspace turns on all of core's features, so its gated code needs a pass of its own.
  cargo clippy --locked -p pushgate-core --all-targets --all-features -- -D warnings
  # The benchmark runs on request only: that it still builds is seen here.
  cargo clippy --locked --manifest-path core/benches/Cargo.toml -- -D warnings
}

job_doc() {
  RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features
}

job_test() {
  local command target
  if [[ ${CI-} == true ]]; then
    # host/tests/firmware.rs, which is left out elsewhere.
    need "the firmware was not run" "qemu-system-arm qemu-system-misc" qemu-system-arm qemu-system-riscv32
    for target in "${IMAGE_TARGETS[@]}"; do
      need_target "$target"
    done
  fi
  command=$(readme_command "cargo test --workspace")
  run_words "$command" 2>&1 | tee "$OUT/test.log"
}

job_conformance() {
  local suite=${PUSHGATE_JSON_TEST_SUITE:-$PWD/../shared/json-test-suite}
  if [[ ! -d $suite ]]; then
    [[ -z ${PUSHGATE_JSON_TEST_SUITE-} ]] || die "PUSHGATE_JSON_TEST_SUITE=$suite is no folder"
    leave_out "conformance did not run: there is no folder $suite; set PUSHGATE_JSON_TEST_SUITE to JSONTestSuite's test_parsing"
    return
  fi
  PUSHGATE_JSON_TEST_SUITE=$(realpath "$suite") cargo test --locked -p pushgate-core --test conformance -- --nocapture
}

job_demo() {
  local command
  command=$(readme_command "cargo run --release -- demo")
  cargo build --locked --release # outside the time limit: only the demo itself is bounded
  run_words "timeout 180 $command" 2>&1 | tee "$OUT/demo.log"
}

job_console() {
  need "the console was not tried in a browser" "chromium chromium-driver python3" chromium chromedriver python3 || return 0
  cargo build --locked --release # outside the time limit, which is for a browser that hangs
  timeout 300 python3 -B tests/console/check.py target/release/pushgate "$OUT/console" 2>&1 | tee "$OUT/console.log"
}

job_package() {
  local package status=0
  need "the package was not made" "dpkg systemd" dpkg-deb systemd-analyze || return 0
  package=$(packaging/build release | tail -1)
  packaging/try "$package" 2>&1 | tee "$OUT/package.log" || status=$?
  case $status in
    0) ;;
    3) leave_out "the package was unpacked, not installed: that takes root, and namespaces of its own" ;;
    *) return "$status" ;;
  esac
}

job_api() {
  local venv=$PWD/target/schemathesis
  need "the APIs were not asked" "curl python3-venv" curl python3 || return 0
  if ! need_schemathesis "$venv"; then
    [[ ${CI-} != true ]] || die "schemathesis could not be installed"
    leave_out "the APIs were not asked: schemathesis could not be installed (it takes Python 3.10 or newer with venv and pip, on Debian: apt-get install python3-venv, and a way to PyPI)"
    return
  fi
  cargo build --locked --release # outside the time limits, which are for runs that hang
  tests/api/run.sh target/release/pushgate "$venv/bin/schemathesis" "$OUT/api" 2>&1 | tee "$OUT/api.log"
}

job_features() {
  # `default` is empty by contract: with it every set would be checked twice. Without --no-dev-deps, which rewrites
  # Cargo.toml while it runs and cannot keep to the lock file; resolver 3 leaves dev-dependencies out of a check anyway.
  cargo hack check --locked -p pushgate-core --feature-powerset --exclude-features default
  cargo test --locked -p pushgate-core --all-features
}

job_baremetal() {
  local target args=()
  for target in "${BAREMETAL_TARGETS[@]}"; do
    need_target "$target"
    args+=(--target "$target")
  done
  cargo build --locked -p pushgate-core --no-default-features "${args[@]}"
}

job_size() {
  local firmware=tests/firmware qemu=()
  need_target "$FIRMWARE_TARGET"
  (
    cd "$firmware"
    cargo clippy --locked --release --target "$FIRMWARE_TARGET" -- -D warnings
    cargo clippy --locked -p pushgate-size --all-targets -- -D warnings
    cargo test --locked -p pushgate-size
    cargo build --locked --release --target "$FIRMWARE_TARGET"
  )
  if need "size measured no stack and no RAM" qemu-system-arm qemu-system-arm; then
    qemu=(qemu-system-arm)
  fi
  # The limit in time is for a machine that hangs: all of them together take a second.
  timeout 120 cargo run --locked --manifest-path "$firmware/Cargo.toml" -p pushgate-size -- check \
    "$firmware/target/$FIRMWARE_TARGET/release" "$firmware/budget.txt" "${qemu[@]}" | tee "$OUT/size.txt"
}

job_firmware() {
  local firmware=tests/firmware target images=()
  for target in "${IMAGE_TARGETS[@]}"; do
    need_target "$target"
    (
      cd "$firmware"
      cargo clippy --locked --release -p pushgate-device --target "$target" -- -D warnings
      cargo build --locked --release -p pushgate-device --target "$target"
      # What is left of it when it does not test itself: what a device needs.
      cargo build --locked --release -p pushgate-device --target "$target" --no-default-features \
        --target-dir target/bare
    )
    images+=("$firmware/target/$target/release/device" "$firmware/target/bare/$target/release/device")
  done
  cargo run --locked --manifest-path "$firmware/Cargo.toml" -p pushgate-size -- pure "${images[@]}" |
    tee "$OUT/firmware.txt"
  need "firmware ran no image for ARM" qemu-system-arm qemu-system-arm || true
  need "firmware ran no image for RISC-V" qemu-system-misc qemu-system-riscv32 || true
  cargo test --locked -p pushgate --test firmware -- --nocapture
}

job_msrv() {
  local toolchain
  toolchain=$(msrv_toolchain)
  # Its own folder: two compilers sharing one would rebuild each other's dependencies on every run.
  CARGO_TARGET_DIR=target/msrv cargo "+$toolchain" check --locked --workspace --all-targets
}

job_deny() {
  cargo deny --locked check --hide-inclusion-graph licenses bans sources
  # The advisories live in a git repository on a public host, which a closed network cannot reach. That is no fault of
  # the code, so it does not fail the job; an advisory that is found does.
  if timeout 120 cargo deny --locked fetch db; then
    cargo deny --locked check --disable-fetch advisories
  else
    leave_out "advisories were not checked: their database could not be fetched"
  fi
}

job_miri() {
  if ! cargo "+$NIGHTLY" miri --version; then
    leave_out "miri did not run: toolchain $NIGHTLY has no such component (./ci.sh setup installs it)"
    return
  fi
  # Miri is some thousand times slower than the machine: it looks at the readers and writers, where bytes are handled,
  # and leaves digests and the tests that change every byte of everything to the machine.
  MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=2 timeout 1800 cargo "+$NIGHTLY" miri test --locked -p pushgate-core \
    --lib -- json:: text:: link:: time::
}

job_fuzz() {
  local target targets rows=() failed=()
  targets=$(cargo "+$NIGHTLY" fuzz list)
  # Core has no unsafe code. What is looked for is a panic or a failed assertion, and without AddressSanitizer several
  # times as many inputs are tried in the same time.
  cargo "+$NIGHTLY" fuzz build --sanitizer none
  # One target's finding does not keep the others from being tried.
  for target in $targets; do
    fuzz_target "$target" || failed+=("$target")
    rows+=("$(fuzz_row "$target")")
  done
  {
    printf '| target | runs | runs/s | corpus | coverage | findings | seconds |\n'
    printf '| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n'
    printf '%s\n' "${rows[@]}"
  } | tee "$OUT/fuzz.md"
  ((${#failed[@]} == 0)) || die "inputs that fail, in fuzz/artifacts/: ${failed[*]}"
}

job_bench() {
  need "bench counted no instructions" valgrind valgrind || true
  cargo run --locked --release --manifest-path core/benches/Cargo.toml -- --seconds "${BENCH_SECONDS:-3}" |
    tee "$OUT/bench.md"
}

job_peers() {
  local firmware=tests/firmware qemu=()
  need_target "$FIRMWARE_TARGET"
  (cd "$firmware" && cargo build --locked --release --target "$FIRMWARE_TARGET")
  (
    cd "$firmware/peers"
    cargo clippy --locked --release --target "$FIRMWARE_TARGET" -- -D warnings
    cargo build --locked --release --target "$FIRMWARE_TARGET"
  )
  if need "peers measured no stack" qemu-system-arm qemu-system-arm; then
    qemu=(qemu-system-arm)
  fi
  timeout 120 cargo run --locked --manifest-path "$firmware/Cargo.toml" -p pushgate-size -- compare \
    "$firmware/peers/jobs.txt" "${qemu[@]}" | tee "$OUT/peers.md"
}

# --------------------------------------------------------------------------------------------------- parts of the jobs

fuzz_target() {
  local target=$1 seconds=${FUZZ_SECONDS:-60} dict=fuzz/dict/$1.dict
  [[ -f $dict ]] || dict=fuzz/dict/json.dict
  printf -- '--- fuzz %s for %s s\n' "$target" "$seconds"
  mkdir -p "fuzz/corpus/$target"
  cargo "+$NIGHTLY" fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    "-max_total_time=$seconds" "-dict=$dict" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 2>&1 |
    tee "$OUT/fuzz-$target.log" | grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD|pulse)|NEW_FUNC|NEW_PC|# Uses: '
}

# Prints what libFuzzer's log says of a target's run, as a row of the table: the last count of everything stands.
fuzz_row() {
  awk -v target="$1" '
    { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corpus = $(i + 1) } }
    /^stat::number_of_executed_units:/ { runs = $2 }
    /^stat::average_exec_per_sec:/ { speed = $2 }
    /Test unit written to/ { findings++ }
    /^Done [0-9]+ runs in/ { seconds = $5 }
    END {
      sub("/.*", "", corpus)
      if (seconds == "" && speed > 0) seconds = int(runs / speed)
      printf "| %s | %d | %d | %d | %d | %d | %s |\n", target, runs, speed, corpus, cov, findings, seconds
    }' "$OUT/fuzz-$1.log"
}

# Prints the command of README.md that begins with $1, so that what the README promises is what runs here.
readme_command() {
  local found
  found=$(grep -m1 -oE "$1[^\`#]*" README.md) || die "README.md does not hold the command \`$1\`"
  printf '%s\n' "$found"
}

run_words() {
  local words
  read -ra words <<<"$1"
  printf '$ %s\n' "${words[*]}"
  "${words[@]}"
}

# Prints the toolchain for Cargo.toml's rust-version: an installed one of that minor release, or the one it installs.
msrv_toolchain() {
  local version toolchain
  version=$(sed -nE 's/^rust-version = "([0-9.]+)".*/\1/p' Cargo.toml)
  [[ -n $version ]] || die "Cargo.toml states no rust-version"
  toolchain=$(rustup toolchain list | sed -nE "s/^(${version//./\\.}[.-][^ ]*).*/\1/p")
  toolchain=${toolchain%%$'\n'*}
  if [[ -z $toolchain ]]; then
    rustup toolchain install "$version" --profile minimal >&2 || die "toolchain $version could not be installed"
    toolchain=$version
  fi
  printf '%s\n' "$toolchain"
}

need_target() {
  # Not `grep -q`: it leaves early, and under pipefail the broken pipe would read as "not there".
  rustup target list --installed | grep -x "$1" >/dev/null && return
  rustup target add "$1" || die "target $1 could not be installed"
}

# Says whether the programs $3… of the packages $2 are there; without them it says that $1. Only on a person's machine:
# in CI, where .ci/run has installed them, everything has to be seen.
need() {
  local without=$1 packages=$2 program
  shift 2
  for program in "$@"; do
    command -v "$program" >/dev/null && continue
    [[ ${CI-} != true ]] || die "$program is not installed, and .ci/run should have done that"
    leave_out "$without: $program is not installed (on Debian: apt-get install $packages)"
    return 1
  done
}

# Into a folder of its own, in the versions of tests/api/requirements.txt; what is there is left alone.
need_schemathesis() {
  local venv=$1 wanted=tests/api/requirements.txt
  cmp -s "$wanted" "$venv/requirements.txt" && return
  rm -rf "$venv"
  python3 -m venv "$venv" &&
    "$venv/bin/pip" install -q --disable-pip-version-check --no-input --retries 3 -r "$wanted" &&
    cp "$wanted" "$venv/requirements.txt"
}

# ----------------------------------------------------------------------------------------------------------- set-up

setup() {
  local target tool
  rustup component add rustfmt clippy
  for target in "${BAREMETAL_TARGETS[@]}" "${IMAGE_TARGETS[@]}"; do
    need_target "$target"
  done
  msrv_toolchain >/dev/null
  need_nightly
  for tool in "${TOOLS[@]}"; do
    need_tool "${tool%@*}" "${tool#*@}"
  done
  rm -rf target/tools
}

need_nightly() {
  if ! rustup run "$NIGHTLY" rustc --version; then
    rustup toolchain install "$NIGHTLY" --profile minimal || die "toolchain $NIGHTLY could not be installed"
  fi
  # Not every nightly ships Miri; its job then says that it was left out.
  rustup component add --toolchain "$NIGHTLY" miri rust-src || note "toolchain $NIGHTLY has no Miri"
}

need_tool() {
  local name=$1 wanted=$2 present started=$SECONDS
  # `cargo-hack hack --version` prints "cargo-hack 0.6.46"
  present=$("$name" "${name#cargo-}" --version 2>/dev/null | awk 'NR == 1 { print $2 }') || present=
  if [[ -n $present ]] && printf '%s\n' "$wanted" "$present" | sort -CV; then
    note "$name $present is there"
    return
  fi
  # Unoptimised and without debug information: building these costs more than all their runs. In one folder, since they
  # are made of the same crates for a good part.
  CARGO_TARGET_DIR=target/tools CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug --force "$name@$wanted" ||
    die "$name $wanted could not be installed"
  note "$name $wanted installed in $((SECONDS - started)) s"
}

# ---------------------------------------------------------------------------------------------------- running and telling

# What run_jobs gathers: a line for each job, and the names of those that failed.
results=()
failed=()
# The process of each job that goes on beside others, by the job's name.
declare -A beside=()

run_jobs() {
  local job status started
  trap 'exit 130' INT
  trap end_beside EXIT
  for job in "$@"; do
    if (($# > 1)) && [[ " ${BESIDE[*]} " == *" $job "* ]]; then
      begin_beside "$job"
      continue
    fi
    printf '\n==> %s\n' "$job"
    started=$SECONDS
    # Not `if (job)`: bash would then run the whole job without stopping at a failing command.
    set +e
    (
      set -e
      "job_$job"
    )
    status=$?
    set -e
    tell "$job" "$status" $((SECONDS - started))
  done
  for job in "${!beside[@]}"; do
    join_beside "$job"
  done
  summary "${results[@]}"
  ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
}

tell() {
  local job=$1 status=$2 seconds=$3
  if ((status == 0)); then
    results+=("$(printf '%-12s ok      %5d s' "$job" "$seconds")")
  else
    results+=("$(printf '%-12s FAILED  %5d s  (exit %d)' "$job" "$seconds" "$status")")
    failed+=("$job")
  fi
  printf '<== %s\n' "${results[-1]}"
}

# Starts a job whose output is kept until it is joined, in a session of its own, so that all it starts can be ended.
begin_beside() {
  local job=$1
  printf '\n==> %s goes on beside the next jobs; its output comes when they are done, and is in %s\n' "$job" "$OUT/$job.log"
  setsid ./ci.sh --beside "$job" >"$OUT/$job.log" 2>&1 </dev/null &
  beside[$job]=$!
}

join_beside() {
  local job=$1 status=0
  wait "${beside[$job]}" || status=$?
  unset "beside[$job]"
  printf '\n==> %s\n' "$job"
  cat "$OUT/$job.log"
  tell "$job" "$status" "$(<"$OUT/$job.seconds")"
}

# A run that is given up leaves nothing running.
end_beside() {
  local session
  for session in "${beside[@]}"; do
    pkill -s "$session" || true
  done
}

summary() {
  printf '\n==> summary\n'
  printf '%s\n' "$@" "$(printf '%-12s         %5d s' total "$SECONDS")"
  sed 's/^/LEFT OUT: /' "$OUT/notes"
  [[ ! -f $OUT/test.log ]] || test_counts
}

# Adds up the closing lines of cargo test, which stand in the output above.
test_counts() {
  awk '/^test result:/ { passed += $4; failed += $6; ignored += $8; runs++ }
    END { printf "tests: %d passed, %d failed, %d ignored in %d test programs\n", passed, failed, ignored, runs }' "$OUT/test.log"
}

job_names() {
  printf '%s\n' "${JOBS[@]%% *}"
}

require_known() {
  local job
  for job in "$@"; do
    printf '%s\n' "${JOBS[@]%% *}" "${ON_REQUEST[@]%% *}" | grep -x -- "$job" >/dev/null || {
      usage >&2
      printf '\nci.sh: there is no job %s\n' "$job" >&2
      exit 2
    }
  done
}

usage() {
  printf 'usage: ./ci.sh [JOB...]    without a job: all of them, in this order\n\n'
  printf '  %s\n' "${JOBS[@]}"
  printf '\non request, in no full run:\n\n'
  printf '  %s\n' "${ON_REQUEST[@]}"
  printf '\n  setup       installs what the jobs need: components, targets, toolchains, cargo tools\n'
}

note() {
  printf 'ci.sh: %s\n' "$1" >&2
}

# Says loudly what a job could not do; the summary says it again.
leave_out() {
  printf '\n*** LEFT OUT: %s ***\n\n' "$1" >&2
  printf '%s\n' "$1" >>"$OUT/notes"
}

die() {
  printf 'ci.sh: %s\n' "$1" >&2
  exit 1
}

main "$@"
