# Sourced by up, down, kill and start: where the nodes live, and how one is
# started, asked and stopped. Every path can be moved from the environment:
#
#   KAFKA_DATA   data, logs and pids of this cluster   (.work/kafka/cluster)
#   KAFKA_LIBS   the downloaded jars, shared by all    (.work/kafka/libs)
#   NODES        1 or 3                                (1)
#   PORT0        first broker port, below 32768; the controllers take the
#                ports from PORT0+NODES on             (a free one)
#   SECURITY     scram: see up                         (none)
#   RELAY        1: see up                             (0)
#   HEAP         of one node                           (1g for one, 512m for three)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
KAFKA_DATA=${KAFKA_DATA:-$root/.work/kafka/cluster}
KAFKA_LIBS=${KAFKA_LIBS:-$root/.work/kafka/libs}
ports_from=20000 # below the ephemeral range, so that no client takes one meanwhile
ports_to=32700

say() { printf '%s\n' "kafka: $*" >&2; }
die() { say "$*"; exit 1; }

need() { # need COMMAND WHAT: stops with a remedy when a tool is missing
  command -v "$1" >/dev/null 2>&1 || die "$1 is not installed. The real-Kafka tier needs $2; everything else in this project needs Go alone."
}

# begun PID prints when a process began, so that a recycled pid is never
# mistaken for ours.
begun() {
  if [ -r "/proc/$1/stat" ]; then
    sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
  else
    ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_'
  fi
}

# ours FILE prints the pid in a pid file when that very process still runs.
ours() {
  local pid start
  [ -s "$1" ] || return 1
  read -r pid start <"$1" || return 1
  [ -n "$pid" ] && [ -n "$start" ] && [ "$(begun "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

# taken PORT succeeds when anything holds the port, on any address; what only
# waits for its last packets (TIME_WAIT, 06) can be bound over.
taken() {
  if [ -r /proc/net/tcp ]; then
    grep -qsE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") [0-9A-F]+:[0-9A-F]+ (0[^6]|1)" /proc/net/tcp /proc/net/tcp6
  else
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
  fi
}

# free_ports COUNT prints the first port of a free run of that length.
free_ports() {
  local try first port
  for try in $(seq 1 200); do
    first=$((ports_from + (RANDOM * 32768 + RANDOM) % (ports_to - ports_from - $1)))
    for port in $(seq "$first" $((first + $1 - 1))); do
      taken "$port" && continue 2
    done
    printf '%s\n' "$first"
    return 0
  done
  return 1
}

# answers PORT CLUSTER NODES succeeds when that port is a broker of that very
# cluster and knows all its nodes: one Metadata request (version 2, no topics),
# written by hand, for another Kafka may listen where ours could not bind.
answers() {
  local hex count
  hex=$(timeout 3 bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf "\0\0\0\016\0\003\0\002\0\0\0\001\377\377\0\0\0\0" >&3
    size=$((16#$(head -c 4 <&3 | od -An -tx1 | tr -d " \n")))
    head -c "$size" <&3 | od -An -v -tx1 | tr -d " \n"' _ "$1" 2>/dev/null) || return 1
  count=${hex:8:8}
  [ -n "$count" ] && [ "$((16#$count))" -ge "$3" ] || return 1
  case $hex in *"$(printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n')"*) return 0 ;; esac
  return 1
}

setting() { sed -n "s/^$1=//p" "$KAFKA_DATA/cluster"; } # of the cluster that `up` made

brokers() { # brokers [RUN]: the addresses in the RUNth run of ports, from 0
  local first nodes list='' i
  nodes=$(setting nodes) first=$(($(setting port0) + ${1:-0} * nodes))
  for i in $(seq 1 "$nodes"); do list+="${list:+,}127.0.0.1:$((first + i - 1))"; done
  printf '%s\n' "$list"
}

class_path() { printf '%s/*\n' "$KAFKA_LIBS"; }

# launch NODE starts one formatted node and notes its pid.
launch() {
  local dir=$KAFKA_DATA/n$1 heap pid
  heap=$(setting heap)
  if ours "$dir/pid" >/dev/null; then say "node $1 runs already"; return 0; fi
  # No descriptor of the caller is inherited: a pipe that reads our output would never end.
  setsid java "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
    "-Dlog4j2.configurationFile=$here/log4j2.yaml" -cp "$(class_path)" \
    kafka.Kafka "$dir/server.properties" >>"$dir/log" 2>&1 </dev/null &
  pid=$!
  printf '%s %s\n' "$pid" "$(begun "$pid")" >"$dir/pid"
}

# await NODE ALIVE waits until a node answers and sees that many brokers.
await() {
  local dir=$KAFKA_DATA/n$1 port i
  port=$(($(setting port0) + $1 - 1))
  for i in $(seq 1 600); do
    answers "$port" "$(setting id)" "$2" && return 0
    ours "$dir/pid" >/dev/null || { tail -n 5 "$dir/log" >&2; say "node $1 ended; see $dir/log"; return 1; }
    sleep 0.2
  done
  tail -n 5 "$dir/log" >&2
  say "node $1 does not answer on port $port after 2 minutes; see $dir/log"
  return 1
}

# stop NODE SIGNAL ends one node of ours; a graceful one gets 20 s.
stop() {
  local file=$KAFKA_DATA/n$1/pid pid i
  if pid=$(ours "$file"); then
    kill "-$2" "$pid" 2>/dev/null || true
    for i in $(seq 1 200); do
      ours "$file" >/dev/null || break
      sleep 0.1
    done
    if ours "$file" >/dev/null; then
      say "node $1 does not stop; killing it"
      kill -KILL "$pid" 2>/dev/null || true
      for i in $(seq 1 50); do ours "$file" >/dev/null || break; sleep 0.1; done
    fi
  fi
  rm -f "$file"
}
