//! Dumps of `sysctl -a`: what is taken, what is counted, what is said.

use scenarios::{Extras, Loaded, Report, Source, bundled, load};
use sim_core::profile::Stack;
use sim_core::tcp::config::TwReuse;

fn with_dump(host: &str, dump: &str) -> Result<Loaded, Report> {
    let bundled = bundled("ports-run-out").expect("a bundled scenario");
    let given = [(host.to_owned(), Source::new("web1.sysctl", dump))];
    load(&bundled.source(), &Extras { sysctl: &given, ..Extras::default() })
}

#[test]
fn a_whole_machine_is_taken_as_it_is() {
    let bundled = bundled("real-machine").unwrap();
    let loaded = load(&bundled.source(), &Extras { files: bundled, ..Extras::default() }).unwrap();
    let [dump] = &loaded.dumps[..] else { panic!("one dump") };
    assert_eq!((dump.host.as_str(), dump.file.as_str()), ("client", "real-machine/real-machine.sysctl"));
    assert!(dump.applied >= 30 && dump.unmodelled.len() >= 100, "{} {}", dump.applied, dump.unmodelled.len());
    assert_eq!(dump.unknown, []);
    let client = &loaded.scenario.hosts[0];
    assert_eq!(client.tcp.rcv_buf_max, 33_554_432);
    // A dump holds conntrack's settings on every machine that has the module; that does not mean it tracks.
    assert_eq!(client.conntrack, None);
    let mut expected = Stack::Linux6_18.defaults();
    expected.tcp.rcv_buf_max = 33_554_432;
    assert_eq!((&client.tcp, &client.ports), (&expected.tcp, &expected.ports));
}

#[test]
fn the_scenario_overrides_a_dump() {
    let dump = "net.ipv4.tcp_tw_reuse = 1\nnet.ipv4.tcp_syn_retries = 3\n";
    let client = &with_dump("client", dump).unwrap().scenario.hosts[0];
    assert_eq!((client.tcp.tw_reuse, client.tcp.syn_retries), (TwReuse::Off, 3));
}

#[test]
fn a_dump_may_hold_anything() {
    let dump = "# a comment\nsysctl: permission denied on key 'fs.protected_fifos'\n\
                net.ipv4.tcp_syn_retries = 3\nnet/ipv4/tcp_retries2 = 8\n-net.ipv4.tcp_sack=0\n\
                net.ipv4.conf.eth0.forwarding = 1\nnet.ipv4.conf.a.b.forwarding = 1\nnet.ipv4.tcp_ecn = 2\n\
                net.ipv4.tcp_tw_recycle = 0\nnet.ipv4.ip_conntrack_max = 4\nnet.ipv4.tcp_zzz = 1\n\
                dev.cdrom.info = CD-ROM information\nuser.max_cgroup_namespaces = 1\nkernel.made_up = 1\nnonsense\n";
    let loaded = with_dump("server", dump).unwrap();
    let [dump] = &loaded.dumps[..] else { panic!("one dump") };
    assert_eq!(dump.applied, 3);
    let unmodelled = ["net.ipv4.conf.eth0.forwarding", "net.ipv4.conf.a.b.forwarding", "net.ipv4.tcp_ecn"];
    assert_eq!(dump.unmodelled[..3], unmodelled);
    assert_eq!(dump.unmodelled.len(), 6);
    insta::assert_debug_snapshot!(dump.unknown);
    let server = &loaded.scenario.hosts[1].tcp;
    assert_eq!((server.syn_retries, server.retries2, server.sack), (3, 8, false));
}

#[test]
fn a_dump_for_nobody_is_refused() {
    insta::assert_snapshot!(with_dump("clinet", "net.ipv4.tcp_sack = 1\n").unwrap_err());
}

/// The kernel sends no probe for an application that did not ask for keep-alive, whatever its sysctls say.
#[test]
fn settings_of_keep_alive_are_idle_until_somebody_asks_for_it() {
    let text = |client: &str, traffic: &str| {
        format!(
            r#"(duration: "5s",
                hosts: {{"c": (addresses: ["10.0.0.1"]{client}), "s": (addresses: ["10.0.0.2"], listen: [(port: 80)])}},
                links: [(path: ["c", "s"])],
                traffic: {{"t": (from: "c", to: "s:80", arrivals: at(["0s"]){traffic})}})"#
        )
    };
    let warned = |client: &str, traffic: &str| {
        let loaded = load(&Source::new("k.ron", text(client, traffic)), &Extras::default());
        loaded.unwrap_or_else(|report| panic!("{report}")).warnings.to_string()
    };
    let set = r#", sysctl: {"net.ipv4.tcp_keepalive_time": "60"}"#;
    let told = warned(set, "");
    assert!(told.contains("no application asks for keep-alive") && told.contains("k.ron:2:"), "{told}");
    for (client, traffic) in [("", ""), (set, ", keepalive: on"), (set, ", server_keepalive: on")] {
        assert_eq!(warned(client, traffic), "", "{client} {traffic}");
    }
}
