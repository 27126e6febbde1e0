# The judgement of check-cluster over the facts that it gathered. POSIX awk, no GNU extension.
# In: mode, leaders, followers, gap, rule, allowed, uid, retain. Facts: see check-cluster.
#
# CLUSTER NODES and INFO have their own words for leader and follower: they are read as they are.

$1 == "H" { zone_of_host[$2] = $3; host_ready[$2] = $4 }
$1 == "P" {
  pods[++pod_count] = $2; pod_uid[$2] = $3; host[$2] = $5; ready[$2] = $6; leaving[$2] = $7 == "leaving"
  n = split($8, claims, ","); for (i = 1; i <= n; i++) if (claims[i] != "") mounted[claims[i]] = 1
}
$1 == "N" {
  pod = $2; id = $3
  listed[pod] = listed[pod] " " id
  flags[pod, id] = "," $4 ","; link[pod, id] = $6
  role[pod, id] = flags[pod, id] ~ /,master,/ ? "leader" : "follower"
  followed[pod, id] = $5
  slots[pod, id] = $7
  if (flags[pod, id] ~ /,myself,/) { id_of[pod] = id; pod_of[id] = pod }
}
$1 == "I" { info[$2, $3] = $4 }
$1 == "V" { volumes[++volume_count] = $2 }
$1 == "S" { secrets[++secret_count] = $2; secret_uid[$2] = $3 }

function begin() { why = ""; whys = 0 }
function object(text) { if (++whys <= 4) why = why (why == "" ? "" : "; ") text }
function judge(title) {
  if (whys == 0) { print "ok    " title; return }
  print "FAIL  " title ": " why (whys > 4 ? "; and " whys - 4 " more" : "")
  failed = 1
}
function zone(pod) { return host[pod] in zone_of_host ? zone_of_host[host[pod]] : "-" }
function reached(id) { return id in pod_of }
function is_bad(pod, id) { return flags[pod, id] ~ /,(fail|fail[?]|noaddr|handshake),/ }
# how many slots a list such as "0-5460 7000" has; open ones stand in brackets
function count(list,   parts, n, i, ends, total) {
  n = split(list, parts, " "); total = 0
  for (i = 1; i <= n; i++) {
    if (parts[i] ~ /^\[/) continue
    if (split(parts[i], ends, "-") == 2) total += ends[2] - ends[1] + 1; else total++
  }
  return total
}
function closed(list) { gsub(/ ?\[[^]]*\]/, "", list); return list }
function in_sync(pod,   lag, leader) {
  leader = pod_of[followed[pod, id_of[pod]]]
  if (leader == "") return "follows nobody who can be reached"
  if (info[pod, "role"] != "slave") return "does not say that it follows"
  if (info[pod, "master_link_status"] != "up") return "link to its leader is " info[pod, "master_link_status"]
  if (info[pod, "master_sync_in_progress"] + 0 != 0) return "copies its leader"
  lag = info[leader, "master_repl_offset"] - info[pod, "slave_repl_offset"]
  if (lag < 0) lag = -lag
  if (lag > gap) return "is " lag " bytes from its leader"
  return ""
}

END {
  expected = leaders * (1 + followers)
  for (p = 1; p <= pod_count; p++) if (pods[p] in id_of) { alive[++alive_count] = pods[p]; live_zone[zone(pods[p])] = 1 }
  for (h in zone_of_host) {
    z = zone_of_host[h]
    if (z == "-" || host_ready[h] != "True" || (allowed != "," && index(allowed, "," z ",") == 0)) continue
    # During an outage a dead host counts as Ready for a while: a zone is open when a member in it answers.
    if (mode == "full" || z in live_zone) open_zone[z] = 1
  }
  for (z in open_zone) zones++

  check_members()
  # Nothing can be said of nobody; every other check would hold of it.
  if (alive_count == 0) exit 1
  check_views(); check_slots(); check_followers(); check_zones(); check_balance()
  if (mode == "full") check_leftovers()
  exit failed
}

function check_members(   p, pod) {
  begin()
  for (p = 1; p <= pod_count; p++) {
    pod = pods[p]
    if (mode == "full") {
      if (leaving[pod]) object(pod " is still leaving")
      else if (!(pod in id_of)) object(pod " does not answer")
      else if (ready[pod] != "True") object(pod " is not Ready")
    } else if (!(pod in id_of)) unreached++
  }
  if (mode == "full") {
    if (pod_count != expected) object("there are " pod_count + 0 " pods")
    judge(expected " members, every one answers and is Ready")
  } else {
    if (alive_count == 0) object("none answers")
    judge(alive_count + 0 " members answer, " unreached + 0 " do not")
  }
}

function check_views(   a, b, pod, other, ids, n, i, id, view, first) {
  begin()
  for (a = 1; a <= alive_count; a++) {
    pod = alive[a]
    n = split(listed[pod], ids, " ")
    for (i = 1; i <= n; i++) {
      id = ids[i]
      if (flags[pod, id] ~ /,handshake,/) object(pod " is still shaking hands with " id)
      else if (reached(id)) {
        if (is_bad(pod, id)) object(pod " has " pod_of[id] " as" flags[pod, id])
        else if (id != id_of[pod] && link[pod, id] != "connected") object(pod " has no link to " pod_of[id])
      } else if (mode == "full") object(pod " lists a stranger or a lost member " id)
      else if (!is_bad(pod, id)) object(pod " has not noticed that " id " is lost")
    }
    for (b = 1; b <= alive_count; b++) {
      other = alive[b]
      if (!((pod, id_of[other]) in flags)) object(pod " does not know " other)
    }
  }
  judge("every member knows every other, and nobody unknown, failed or without an address")

  begin()
  for (a = 1; a <= alive_count; a++) {
    pod = alive[a]; view = ""
    for (b = 1; b <= alive_count; b++) {
      id = id_of[alive[b]]
      view = view id " " role[pod, id] " " (role[pod, id] == "leader" ? closed(slots[pod, id]) : followed[pod, id]) "\n"
    }
    if (a == 1) first = view
    else if (view != first) object(pod " sees it otherwise than " alive[1])
  }
  judge("all agree who leads, who follows whom, and who owns which slots")
}

function check_slots(   a, pod, ids, n, i, id, served, all) {
  begin()
  for (a = 1; a <= alive_count; a++) {
    pod = alive[a]; served = all = 0
    n = split(listed[pod], ids, " ")
    for (i = 1; i <= n; i++) {
      id = ids[i]
      if (slots[pod, id] ~ /\[/) object(pod " has open slots: " slots[pod, id])
      all += count(slots[pod, id])
      if (role[pod, id] == "leader" && reached(id) && !is_bad(pod, id)) served += count(slots[pod, id])
    }
    if (served != 16384) object(pod " sees " served " slots served")
    if (all != 16384) object(pod " sees " all " slots owned")
  }
  judge("all 16384 slots are served by leaders that answer, none is open")
}

# Groups the living by whose slots they hold: shard_of is the leader's id.
function check_followers(   a, pod, id, why_not, n, l, others) {
  begin()
  for (a = 1; a <= alive_count; a++) {
    pod = alive[a]; id = id_of[pod]
    if (role[pod, id] == "leader") {
      lead[++lead_count] = pod; shard_of[pod] = id
      if (info[pod, "role"] != "master") object(pod " owns slots and does not lead")
      if (count(slots[pod, id]) == 0) object(pod " leads and owns no slots")
    } else shard_of[pod] = followed[pod, id]
  }
  if (lead_count != leaders) object(lead_count + 0 " lead")
  judge(leaders " leaders, each with slots")
  if (followers == 0) return

  begin()
  for (l = 1; l <= lead_count; l++) {
    n = others = 0
    for (a = 1; a <= alive_count; a++) {
      pod = alive[a]
      if (pod == lead[l] || shard_of[pod] != shard_of[lead[l]]) continue
      why_not = in_sync(pod)
      if (why_not == "") { n++; if (zone(pod) != zone(lead[l])) others++ }
      else if (mode == "full") object(pod " " why_not)
    }
    if (mode == "full" && n != followers) object(lead[l] " has " n " followers in sync")
    if (mode == "outage" && others == 0) object(lead[l] " has no follower in sync in another zone")
  }
  judge(mode == "full" ? "each leader has " followers " followers, all in sync" : "each leader has a follower in sync in another zone that lives")
}

function check_zones(   l, a, b, here, there, span, seen) {
  begin()
  for (l = 1; l <= lead_count; l++) {
    split("", seen); span = 0
    for (a = 1; a <= alive_count; a++) {
      here = alive[a]
      if (shard_of[here] != shard_of[lead[l]]) continue
      if (zone(here) == "-") object(here " is in no zone")
      if (!(zone(here) in seen)) { seen[zone(here)] = 1; span++ }
      for (b = a + 1; b <= alive_count; b++) {
        there = alive[b]
        if (shard_of[there] != shard_of[here]) continue
        if (host[here] == host[there]) object(here " and " there " share the host " host[here])
        else if (zone(here) == zone(there) && rule != "ScheduleAnyway") object(here " and " there " share the zone " zone(here))
      }
    }
    if (followers > 0 && span < 2) object("the shard of " lead[l] " is all in " zone(lead[l]))
  }
  judge(followers > 0 ? "every shard spans two zones or more; no two of its members share a zone or host" : "no two members of a shard share a zone or host")
}

function check_balance(   l, z, most) {
  begin()
  most = zones > 0 ? int((leaders + zones - 1) / zones) : 0
  for (l = 1; l <= lead_count; l++) in_zone[zone(lead[l])]++
  for (z in in_zone) if (in_zone[z] > most) object(in_zone[z] " in " z)
  judge("at most " most " leaders in a zone (" leaders " leaders, " zones + 0 " open zones)")
}

function check_leftovers(   v, s, kept) {
  begin(); kept = 0
  for (v = 1; v <= volume_count; v++) {
    if (volumes[v] in mounted) continue
    if (retain == "Retain") kept++; else object("volume " volumes[v])
  }
  for (s = 1; s <= secret_count; s++) if (uid != "-" && secret_uid[secrets[s]] != uid) object("Secret " secrets[s] " of another RedisCluster of that name")
  for (v = 1; v <= pod_count; v++) if (uid != "-" && pod_uid[pods[v]] != uid) object("pod " pods[v] " of another RedisCluster of that name")
  judge("no pod, volume or Secret is left over" (kept ? " (" kept " volumes are retained, as asked)" : ""))
}
