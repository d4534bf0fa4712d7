// boundary.go: Go's net/http with its own idle behaviour, at the end of what was promised. Arguments: URL, seconds of the
// promise, workers, rounds. SPDX-License-Identifier: Apache-2.0
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type told struct {
	Ok     int      `json:"ok"`
	Late   int      `json:"late"`
	Errors []string `json:"errors"`
}

func ask(client *http.Client, url string) string {
	response, err := client.Post(url, "text/plain", strings.NewReader("x"))
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if _, err = io.Copy(io.Discard, response.Body); err != nil {
		return err.Error()
	}
	if response.StatusCode != 200 {
		return response.Status
	}
	return ""
}

func main() {
	var numbers [3]int
	for i := range numbers {
		numbers[i], _ = strconv.Atoi(os.Args[i+2])
	}
	promise, workers, rounds := time.Duration(numbers[0])*time.Second, numbers[1], numbers[2]
	result := told{Errors: []string{}}
	var lock sync.Mutex
	var group sync.WaitGroup

	for number := 0; number < workers; number++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
			last := time.Now()
			for i := 0; i <= rounds; i++ {
				began := time.Now()
				failure := ask(client, os.Args[1])
				lock.Lock()
				if time.Since(last) > promise+800*time.Millisecond {
					result.Late++
				}
				if failure == "" {
					result.Ok++
				} else {
					result.Errors = append(result.Errors, failure)
				}
				lock.Unlock()
				last = began
				if i < rounds {
					time.Sleep(promise - 100*time.Millisecond + 300*time.Millisecond*time.Duration((number*7+i*13)%workers)/time.Duration(workers))
				}
			}
		}(number)
	}
	group.Wait()
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
}
