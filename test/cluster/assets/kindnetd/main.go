// Stand-in for kindnetd, which no package registry serves: it honours the same manifest. It writes the CNI configuration for
// this node's pod CIDR, routes the CIDRs of other nodes and masquerades. IPv4 only, no NetworkPolicy.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const conf = `{"cniVersion":"0.4.0","name":"kindnet","plugins":[{"type":"ptp","ipMasq":false,"ipam":{"type":"host-local","dataDir":"/run/cni-ipam-state","routes":[{"dst":"0.0.0.0/0"}],"ranges":[[{"subnet":"%s"}]]},"mtu":%d},{"type":"portmap","capabilities":{"portMappings":true}}]}
`

func run(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %v: %s", args, err, out)
	}
	return nil
}

// ensure appends an iptables nat rule unless it is there already
func ensure(chain string, rule ...string) error {
	if run(append([]string{"iptables", "-w", "-t", "nat", "-C", chain}, rule...)...) == nil {
		return nil
	}
	return run(append([]string{"iptables", "-w", "-t", "nat", "-A", chain}, rule...)...)
}

func mtu(ip string) int {
	ifs, _ := net.Interfaces()
	for _, i := range ifs {
		as, _ := i.Addrs()
		for _, a := range as {
			if strings.HasPrefix(a.String(), ip+"/") {
				return i.MTU
			}
		}
	}
	return 1500
}

func sync(c kubernetes.Interface, hostIP, podSubnet string) error {
	nodes, err := c.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	own := false
	for _, n := range nodes.Items {
		ip := ""
		for _, a := range n.Status.Addresses {
			if a.Type == corev1.NodeInternalIP && ip == "" {
				ip = a.Address
			}
		}
		if ip == "" || n.Spec.PodCIDR == "" {
			continue
		}
		if ip != hostIP {
			if err := run("ip", "route", "replace", n.Spec.PodCIDR, "via", ip); err != nil {
				return err
			}
			continue
		}
		own = true
		want, path := fmt.Sprintf(conf, n.Spec.PodCIDR, mtu(hostIP)), "/etc/cni/net.d/10-kindnet.conflist"
		if have, _ := os.ReadFile(path); string(have) != want {
			if err := os.WriteFile(path+".tmp", []byte(want), 0o644); err != nil {
				return err
			}
			if err := os.Rename(path+".tmp", path); err != nil {
				return err
			}
			log.Printf("wrote %s for %s", path, n.Spec.PodCIDR)
		}
	}
	if !own {
		return fmt.Errorf("no pod CIDR yet for the node with address %s", hostIP)
	}
	_ = run("iptables", "-w", "-t", "nat", "-N", "KIND-MASQ-AGENT")
	for _, s := range strings.Split(podSubnet, ",") {
		if strings.Contains(s, ":") {
			continue
		}
		if err := ensure("KIND-MASQ-AGENT", "-d", s, "-j", "RETURN"); err != nil {
			return err
		}
	}
	if err := ensure("KIND-MASQ-AGENT", "-j", "MASQUERADE"); err != nil {
		return err
	}
	return ensure("POSTROUTING", "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", "KIND-MASQ-AGENT")
}

func main() {
	cfg, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	if e := os.Getenv("CONTROL_PLANE_ENDPOINT"); e != "" { // set by kind: no need to wait for kube-proxy
		cfg.Host = "https://" + e
	}
	c := kubernetes.NewForConfigOrDie(cfg)
	for {
		pause := 10 * time.Second
		if err := sync(c, os.Getenv("HOST_IP"), os.Getenv("POD_SUBNET")); err != nil {
			log.Print(err)
			pause = time.Second
		}
		time.Sleep(pause)
	}
}
