// libcni VERB CONTAINERID NETNS NETWORK CONFDIR BINDIR: calls a network's plug-ins through libcni, as runtimes do.
//
// VERB is add, check or del. What add gives is printed as JSON; an error goes to stderr, with exit code 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/containernetworking/cni/libcni"
)

func main() {
	if len(os.Args) != 7 {
		fail(fmt.Errorf("usage: %s VERB CONTAINERID NETNS NETWORK CONFDIR BINDIR", os.Args[0]))
	}
	verb, network, confDir, binDir := os.Args[1], os.Args[4], os.Args[5], os.Args[6]
	list, err := libcni.LoadConfList(confDir, network)
	if err != nil {
		fail(err)
	}
	runtime := &libcni.RuntimeConf{ContainerID: os.Args[2], NetNS: os.Args[3], IfName: "eth0"}
	if err := call(verb, libcni.NewCNIConfig([]string{binDir}, nil), list, runtime); err != nil {
		fail(err)
	}
}

func call(verb string, cni *libcni.CNIConfig, list *libcni.NetworkConfigList, runtime *libcni.RuntimeConf) error {
	ctx := context.Background()
	switch verb {
	case "add":
		// Asks every plug-in for its VERSION, and whether it knows the configuration's.
		if _, err := cni.ValidateNetworkList(ctx, list); err != nil {
			return err
		}
		result, err := cni.AddNetworkList(ctx, list, runtime)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	case "check":
		return cni.CheckNetworkList(ctx, list, runtime)
	case "del":
		return cni.DelNetworkList(ctx, list, runtime)
	}
	return fmt.Errorf("%s is no verb", verb)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
