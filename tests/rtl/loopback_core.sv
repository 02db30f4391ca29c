// Test only: a core that gives back the beats of each frame, cut or repeated to its output length.
//
// Beat i out is beat i in, or the last one in where the output is longer. A beat leaves `latency`
// cycles after it came (2 or more), if nothing stalls. The knobs may change at any time.
`default_nettype none

module loopback_core #(
    parameter int INPUT_BEATS  = 1,
    parameter int OUTPUT_BEATS = 1
) (
    input wire aclk,
    input wire aresetn,

    input wire [15:0] latency,
    input wire        hold_input,   // takes nothing
    input wire        hold_output,  // gives nothing
    input wire [ 7:0] stall_rate,   // of 256 cycles, this many on each side are idle
    input wire        wrong_last,   // tlast is inverted

    input  wire  [63:0] s_axis_tdata,
    input  wire         s_axis_tvalid,
    output logic        s_axis_tready,
    input  wire         s_axis_tlast,
    output logic [63:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  wire         m_axis_tready,
    output logic        m_axis_tlast,

    output logic [2:0] layer_busy,
    output logic [2:0] layer_stalled
);

  localparam int ROOM = 4096;  // beats on the way

  logic [63:0] data_queue[$];
  logic last_queue[$];
  logic [31:0] due_queue[$];
  logic [31:0] now, queued;
  logic [31:0] beat_in;
  logic stall_in, stall_out;

  assign s_axis_tready = aresetn && !hold_input && !stall_in && queued < ROOM;

  assign layer_busy = {m_axis_tvalid, queued != '0, s_axis_tvalid && s_axis_tready};
  assign layer_stalled = {m_axis_tvalid && !m_axis_tready, 1'b0, s_axis_tvalid && !s_axis_tready};

  always_ff @(posedge aclk) begin
    now <= now + 32'd1;
    stall_in <= 8'($urandom) < stall_rate;
    stall_out <= 8'($urandom) < stall_rate;

    if (!m_axis_tvalid || m_axis_tready) begin
      m_axis_tvalid <= 1'b0;
      if (data_queue.size() != 0 && !hold_output && !stall_out && now >= due_queue[0]) begin
        m_axis_tvalid <= 1'b1;
        m_axis_tdata <= data_queue.pop_front();
        m_axis_tlast <= last_queue.pop_front() ^ wrong_last;
        void'(due_queue.pop_front());
      end
    end

    if (s_axis_tvalid && s_axis_tready) begin
      assert (s_axis_tlast == (beat_in == INPUT_BEATS - 1))
      else $error("%m: the shell ended a frame at the wrong beat");
      beat_in <= s_axis_tlast ? '0 : beat_in + 32'd1;
      if (beat_in < OUTPUT_BEATS) begin
        data_queue.push_back(s_axis_tdata);
        last_queue.push_back(beat_in == OUTPUT_BEATS - 1);
        due_queue.push_back(now + 32'(latency) - 32'd1);
      end
      if (s_axis_tlast) begin
        for (int beat = INPUT_BEATS; beat < OUTPUT_BEATS; beat++) begin
          data_queue.push_back(s_axis_tdata);
          last_queue.push_back(beat == OUTPUT_BEATS - 1);
          due_queue.push_back(now + 32'(latency) - 32'd1);
        end
      end
    end
    queued <= data_queue.size();

    if (!aresetn) begin
      data_queue.delete();
      last_queue.delete();
      due_queue.delete();
      queued <= '0;
      now <= '0;
      beat_in <= '0;
      m_axis_tvalid <= 1'b0;
    end
  end

endmodule

`default_nettype wire
