// Boundary.java: Java's HttpClient with its own idle behaviour, at the end of what was promised. Arguments: URL, seconds of
// the promise, workers, rounds. SPDX-License-Identifier: Apache-2.0
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;

public class Boundary {
    static int ok, late;
    static final List<String> errors = new ArrayList<>();

    static synchronized void tell(String failure, boolean wasLate) {
        late += wasLate ? 1 : 0;
        if (failure == null)
            ok++;
        else
            errors.add('"' + failure.replace('"', ' ') + '"');
    }

    static void work(HttpClient client, URI url, int promise, int workers, int rounds, int number) {
        HttpRequest request = HttpRequest.newBuilder(url).POST(HttpRequest.BodyPublishers.ofString("x")).build();
        long last = System.nanoTime();

        for (int i = 0; i <= rounds; i++) {
            String failure = null;
            long began = System.nanoTime();

            try {
                int status = client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
                failure = status == 200 ? null : "status " + status;
            } catch (Exception error) {
                failure = error.toString();
            }
            tell(failure, System.nanoTime() - last > promise * 1000000000L + 800000000L);
            last = began;
            try {
                if (i < rounds)
                    Thread.sleep(promise * 1000L - 100 + 300L * ((number * 7 + i * 13) % workers) / workers);
            } catch (InterruptedException error) {
                return;
            }
        }
    }

    public static void main(String[] words) throws Exception {
        URI url = URI.create(words[0]);
        int promise = Integer.parseInt(words[1]), workers = Integer.parseInt(words[2]), rounds = Integer.parseInt(words[3]);
        HttpClient client = HttpClient.newHttpClient();
        Thread[] threads = new Thread[workers];

        for (int i = 0; i < workers; i++) {
            int number = i;

            threads[i] = new Thread(() -> work(client, url, promise, workers, rounds, number));
            threads[i].start();
        }
        for (Thread thread : threads)
            thread.join();
        System.out.println("{\"ok\": " + ok + ", \"late\": " + late + ", \"errors\": [" + String.join(", ", errors) + "]}");
        System.exit(0);
    }
}
