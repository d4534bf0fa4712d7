// h2.go: Go's HTTP/2 as client and as server: golang.org/x/net/http2 without TLS, net/http's own over TLS.
// `client URL`: many streams at once, an upload, trailers, a cancel; prints what was wrong. `server [CERTIFICATE KEY]`: prints
// its port. SPDX-License-Identifier: Apache-2.0
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

func fail(what string, err error) {
	fmt.Println("WRONG", what, err)
}

func transport(url string) http.RoundTripper {
	if strings.HasPrefix(url, "https") {
		return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	}
	return &http2.Transport{AllowHTTP: true, DialTLS: func(network, address string, _ *tls.Config) (net.Conn, error) {
		return net.Dial(network, address)
	}}
}

func post(client *http.Client, url string, number int) {
	body := bytes.Repeat([]byte{byte(number)}, 30000+number)
	request, _ := http.NewRequest("POST", url+"/echo", bytes.NewReader(body))
	request.Trailer = http.Header{"X-Up": {fmt.Sprint(number)}}
	answer, err := client.Do(request)
	if err != nil {
		fail("post", err)
		return
	}
	defer answer.Body.Close()
	back, err := io.ReadAll(answer.Body)
	if err != nil || !bytes.Equal(back, body) || answer.ProtoMajor != 2 {
		fail("answer", err)
	}
	if answer.Trailer.Get("X-Down") != "after" {
		fail("trailer", fmt.Errorf("%v", answer.Trailer))
	}
}

func cancel(client *http.Client, url string) {
	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	request, _ := http.NewRequestWithContext(ctx, "GET", url+"/hang", nil)
	if answer, err := client.Do(request); err == nil {
		_, err = io.ReadAll(answer.Body)
		if err == nil {
			fail("cancel", err)
		}
	}
}

func ask(url string) {
	client := &http.Client{Transport: transport(url)}
	var group sync.WaitGroup
	for i := 0; i < 40; i++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			post(client, url, number)
		}(i)
	}
	group.Wait()
	cancel(client, url)
	post(client, url, 41)
	fmt.Println("done")
}

func serve(keys []string) {
	ended := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Down")
		io.Copy(w, r.Body)
		w.Header().Set("X-Down", "after")
	})
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended++
	})
	mux.HandleFunc("/ended", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, ended, " ", r.Proto) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if len(keys) == 2 {
		panic(http.ServeTLS(listener, mux, keys[0], keys[1]))
	}
	panic(http.Serve(listener, h2c.NewHandler(mux, &http2.Server{})))
}

func main() {
	if os.Args[1] == "client" {
		ask(os.Args[2])
	} else {
		serve(os.Args[2:])
	}
}
