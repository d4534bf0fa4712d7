// grpc.go: gRPC of Go, client and server, with messages of bytes. `server`: prints its port. `client ADDRESS`: the four kinds of
// calls, metadata, a status, a deadline, a cancel; prints what was wrong. SPDX-License-Identifier: Apache-2.0
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type plain struct{}

func (plain) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (plain) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}
func (plain) Name() string   { return "bytes" }
func (plain) String() string { return "bytes" }

var ended = make(chan string, 100)

func handle(_ interface{}, stream grpc.ServerStream) error {
	name, _ := grpc.MethodFromServerStream(stream)
	var message []byte
	switch name {
	case "/a.Go/Fail":
		return status.Error(codes.FailedPrecondition, "not 100%")
	case "/a.Go/Hang":
		<-stream.Context().Done()
		ended <- name
		return status.FromContextError(stream.Context().Err()).Err()
	case "/a.Go/Ended":
		select {
		case what := <-ended:
			message = []byte(what)
		case <-time.After(3 * time.Second):
		}
		return stream.SendMsg(&message)
	}
	asked, _ := metadata.FromIncomingContext(stream.Context())
	stream.SetHeader(metadata.Pairs("x-back", fmt.Sprint(asked.Get("x-asked"))))
	stream.SetTrailer(metadata.Pairs("x-data-bin", "\x00\x01\xff"))
	all := []byte{}
	for {
		err := stream.RecvMsg(&message)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		all = append(all, message...)
		if name == "/a.Go/Both" {
			if err = stream.SendMsg(&message); err != nil {
				return err
			}
		}
	}
	switch name {
	case "/a.Go/Down":
		for i := range all {
			one := all[i : i+1]
			if err := stream.SendMsg(&one); err != nil {
				return err
			}
		}
	case "/a.Go/Up":
		return stream.SendMsg(&all)
	}
	return nil
}

func check(what string, right bool, more ...interface{}) {
	if !right {
		fmt.Println("WRONG", what, more)
	}
}

func call(conn *grpc.ClientConn, name string, messages ...[]byte) ([][]byte, metadata.MD, metadata.MD, error) {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-asked", "yes")
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/a.Go/"+name)
	if err != nil {
		return nil, nil, nil, err
	}
	for i := range messages {
		if err = stream.SendMsg(&messages[i]); err != nil {
			break
		}
	}
	stream.CloseSend()
	var out [][]byte
	for {
		var one []byte
		if err = stream.RecvMsg(&one); err != nil {
			break
		}
		out = append(out, one)
	}
	if err == io.EOF {
		err = nil
	}
	head, _ := stream.Header()
	return out, head, stream.Trailer(), err
}

func ask(address string) {
	conn, err := grpc.Dial(address, grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.ForceCodec(plain{})))
	check("dial", err == nil, err)
	one, back := []byte("one"), []byte{}
	var trailer metadata.MD
	err = conn.Invoke(context.Background(), "/a.Go/Up", &one, &back, grpc.Trailer(&trailer))
	check("unary", err == nil && string(back) == "one", err, back)
	check("binary metadata", len(trailer.Get("x-data-bin")) == 1 && trailer.Get("x-data-bin")[0] == "\x00\x01\xff", trailer)
	out, head, _, err := call(conn, "Up", []byte("a"), []byte("b"), bytes.Repeat([]byte("c"), 100000))
	check("client stream", err == nil && len(out) == 1 && len(out[0]) == 100002, err, len(out))
	check("metadata", len(head.Get("x-back")) == 1 && head.Get("x-back")[0] == "[yes]", head)
	out, _, _, err = call(conn, "Down", []byte("0123456789"))
	check("server stream", err == nil && len(out) == 10 && string(out[9]) == "9", err, len(out))
	out, _, _, err = call(conn, "Both", []byte("a"), []byte(""), []byte("c"))
	check("both", err == nil && len(out) == 3 && string(out[2]) == "c", err, len(out))
	_, _, _, err = call(conn, "Fail", one)
	check("status", status.Code(err) == codes.FailedPrecondition && status.Convert(err).Message() == "not 100%", err)

	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	err = conn.Invoke(ctx, "/a.Go/Hang", &one, &back)
	check("deadline", status.Code(err) == codes.DeadlineExceeded, err)
	stop()
	out, _, _, err = call(conn, "Ended", one)
	check("the server heard of it", len(out) == 1 && string(out[0]) == "/a.Go/Hang", err, out)

	ctx, stop = context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, stop)
	err = conn.Invoke(ctx, "/a.Go/Hang", &one, &back)
	check("cancel", status.Code(err) == codes.Canceled, err)
	out, _, _, err = call(conn, "Ended", one)
	check("the server heard of the cancel", len(out) == 1 && string(out[0]) == "/a.Go/Hang", err, out)
	fmt.Println("done")
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := grpc.NewServer(grpc.UnknownServiceHandler(handle), grpc.CustomCodec(plain{}))
	panic(server.Serve(listener))
}

func main() {
	if os.Args[1] == "client" {
		ask(os.Args[2])
	} else {
		serve()
	}
}
