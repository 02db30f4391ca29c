// The registers of an overlay (overlays/registers.py) behind an AXI4-Lite slave.
//
// Every access is answered with OKAY: a Zynq turns an error answer into a bus error that ends the
// program. An address without a register reads 0; a write to it, to a read-only register, or to a
// setting while a call runs changes nothing. A write takes two cycles and a read four, at least.
`default_nettype none

module axi_lite_registers #(
    // KIND_DATAFLOW or KIND_OFFLOAD; only the latter has what programs need.
    parameter logic [31:0] KIND = bitfold_registers_pkg::KIND_DATAFLOW,
    parameter int LAYERS = 0,        // what LAYERS reads: 0 to 480
    parameter int INPUT_BEATS = 0,   // what INPUT_BEATS reads: 0 to 2^24
    parameter int OUTPUT_BEATS = 0   // what OUTPUT_BEATS reads: 0 to 2^24
) (
    input wire aclk,
    input wire aresetn,

    input  wire  [11:0] s_axi_ctrl_awaddr,
    input  wire         s_axi_ctrl_awvalid,
    output logic        s_axi_ctrl_awready,
    input  wire  [31:0] s_axi_ctrl_wdata,
    input  wire  [ 3:0] s_axi_ctrl_wstrb,
    input  wire         s_axi_ctrl_wvalid,
    output logic        s_axi_ctrl_wready,
    output logic [ 1:0] s_axi_ctrl_bresp,
    output logic        s_axi_ctrl_bvalid,
    input  wire         s_axi_ctrl_bready,
    input  wire  [11:0] s_axi_ctrl_araddr,
    input  wire         s_axi_ctrl_arvalid,
    output logic        s_axi_ctrl_arready,
    output logic [31:0] s_axi_ctrl_rdata,
    output logic [ 1:0] s_axi_ctrl_rresp,
    output logic        s_axi_ctrl_rvalid,
    input  wire         s_axi_ctrl_rready,
    output logic        irq,                 // high while an enabled interrupt is pending

    output logic        start,       // one cycle
    output logic        soft_reset,  // one cycle
    output logic [31:0] source,
    output logic [31:0] destination,
    output logic [31:0] frames,
    output logic [31:0] program_address,
    output logic [31:0] program_length,
    output logic [31:0] destination_beats,
    output logic [31:0] watchdog_limit,

    input wire [127:0] build_id,
    input wire         ends,           // one cycle: a call ends
    input wire         idle,
    input wire         done,
    input wire         bus_stuck,
    input wire [  7:0] error,
    input wire [ 63:0] cycles,
    input wire [ 31:0] frames_in,
    input wire [ 31:0] frames_out,
    input wire [ 31:0] first_in,
    input wire [ 31:0] first_out,
    input wire [ 31:0] last_out,
    input wire [ 31:0] stalled_ports,

    // The layers' part of the map, from 0x100 on.
    output logic [ 9:0] layer_index,
    input  wire  [31:0] layer_count  // in the next cycle; 0 for an index beyond the layers
);

  generate
    if (KIND != bitfold_registers_pkg::KIND_DATAFLOW &&
        KIND != bitfold_registers_pkg::KIND_OFFLOAD) begin : bad_kind
      $error("axi_lite_registers: KIND must be KIND_DATAFLOW or KIND_OFFLOAD");
    end
    if (LAYERS < 0 || LAYERS > 480) begin : bad_layers
      $error("axi_lite_registers: LAYERS must be 0 to 480");
    end
  endgenerate

  logic irq_enable, irq_pending;

  // Address and data are taken together, in the cycle after both stand, then answered while they
  // are decoded. Nobody can read before the answer, nor write again before it is decoded.
  logic take, write, to_control, to_irq;
  logic [11:0] write_address;
  logic [9:0] read_word;  // its number, four bytes each
  logic [31:0] write_data;
  logic [3:0] write_strobe;
  wire [11:0] taken_address = {s_axi_ctrl_awaddr[11:2], 2'b00};
  wire [3:0] unused_inputs = {s_axi_ctrl_awaddr[1:0], s_axi_ctrl_araddr[1:0]};

  assign s_axi_ctrl_awready = take;
  assign s_axi_ctrl_wready = take;
  assign s_axi_ctrl_bresp = 2'b00;
  assign s_axi_ctrl_rresp = 2'b00;

  wire write_command = write && to_control && write_strobe[0];
  wire write_irq = write && to_irq && write_strobe[0];

  assign soft_reset = write_command && write_data[bitfold_registers_pkg::CONTROL_SOFT_RESET_BIT];
  assign start = write_command && !soft_reset &&
      write_data[bitfold_registers_pkg::CONTROL_START_BIT];

  always_ff @(posedge aclk) begin
    take <= s_axi_ctrl_awvalid && s_axi_ctrl_wvalid && !take &&
        (!s_axi_ctrl_bvalid || s_axi_ctrl_bready);
    if (take) s_axi_ctrl_bvalid <= 1'b1;
    else if (s_axi_ctrl_bready) s_axi_ctrl_bvalid <= 1'b0;

    write <= take;
    write_address <= taken_address;
    write_data <= s_axi_ctrl_wdata;
    write_strobe <= s_axi_ctrl_wstrb;
    to_control <= taken_address == bitfold_registers_pkg::CONTROL_OFFSET;
    to_irq <= taken_address == bitfold_registers_pkg::IRQ_PENDING_OFFSET;

    if (write_command) irq_enable <= write_data[bitfold_registers_pkg::CONTROL_IRQ_ENABLE_BIT];
    if (soft_reset) irq_pending <= 1'b0;
    else if (ends) irq_pending <= 1'b1;
    else if (write_irq && write_data[bitfold_registers_pkg::IRQ_PENDING_DONE_BIT])
      irq_pending <= 1'b0;
    irq <= irq_pending && irq_enable;

    if (!aresetn) begin
      take <= 1'b0;
      write <= 1'b0;
      s_axi_ctrl_bvalid <= 1'b0;
      irq_enable <= 1'b0;
      irq_pending <= 1'b0;
      irq <= 1'b0;
    end
  end

  wire write_setting = write && idle;

  always_ff @(posedge aclk) begin
    for (int lane = 0; lane < 4; lane++) begin
      if (write_setting && write_strobe[lane]) begin
        case (write_address)
          bitfold_registers_pkg::SOURCE_OFFSET: source[8*lane+:8] <= write_data[8*lane+:8];
          bitfold_registers_pkg::DESTINATION_OFFSET:
          destination[8*lane+:8] <= write_data[8*lane+:8];
          bitfold_registers_pkg::FRAMES_OFFSET: frames[8*lane+:8] <= write_data[8*lane+:8];
          bitfold_registers_pkg::WATCHDOG_OFFSET:
          watchdog_limit[8*lane+:8] <= write_data[8*lane+:8];
          default: ;
        endcase
      end
    end

    if (!aresetn) begin
      source <= '0;
      destination <= '0;
      frames <= '0;
      watchdog_limit <= '0;
    end
  end

  generate
    if (KIND == bitfold_registers_pkg::KIND_OFFLOAD) begin : with_program
      always_ff @(posedge aclk) begin
        for (int lane = 0; lane < 4; lane++) begin
          if (write_setting && write_strobe[lane]) begin
            case (write_address)
              bitfold_registers_pkg::PROGRAM_ADDRESS_OFFSET:
              program_address[8*lane+:8] <= write_data[8*lane+:8];
              bitfold_registers_pkg::PROGRAM_LENGTH_OFFSET:
              program_length[8*lane+:8] <= write_data[8*lane+:8];
              bitfold_registers_pkg::DESTINATION_BEATS_OFFSET:
              destination_beats[8*lane+:8] <= write_data[8*lane+:8];
              default: ;
            endcase
          end
        end

        if (!aresetn) begin
          program_address <= '0;
          program_length <= '0;
          destination_beats <= '0;
        end
      end
    end else begin : without_program
      assign program_address = '0;
      assign program_length = '0;
      assign destination_beats = '0;
    end
  endgenerate

  // A read is taken, looked up in either half of the table, and answered.
  logic look_up, answer;
  logic [31:0][31:0] words;  // words by number
  logic [31:0] status, low, high;

  assign layer_index = read_word - bitfold_registers_pkg::LAYER_BUSY_OFFSET[11:2];

  always_comb begin
    status = '0;
    status[bitfold_registers_pkg::STATUS_IDLE_BIT] = idle;
    status[bitfold_registers_pkg::STATUS_DONE_BIT] = done;
    status[bitfold_registers_pkg::STATUS_BUS_STUCK_BIT] = bus_stuck;
    status[bitfold_registers_pkg::STATUS_ERROR_LOW+:bitfold_registers_pkg::STATUS_ERROR_WIDTH] =
        error;

    words = '0;
    words[bitfold_registers_pkg::MAGIC_OFFSET[6:2]] = bitfold_registers_pkg::MAGIC_VALUE;
    words[bitfold_registers_pkg::ABI_VERSION_OFFSET[6:2]] =
        bitfold_registers_pkg::ABI_VERSION_VALUE;
    words[bitfold_registers_pkg::KIND_OFFSET[6:2]] = KIND;
    words[bitfold_registers_pkg::LAYERS_OFFSET[6:2]] = 32'(LAYERS);
    words[bitfold_registers_pkg::BUILD_ID_0_OFFSET[6:2]] = build_id[31:0];
    words[bitfold_registers_pkg::BUILD_ID_1_OFFSET[6:2]] = build_id[63:32];
    words[bitfold_registers_pkg::BUILD_ID_2_OFFSET[6:2]] = build_id[95:64];
    words[bitfold_registers_pkg::BUILD_ID_3_OFFSET[6:2]] = build_id[127:96];
    words[bitfold_registers_pkg::CONTROL_OFFSET[6:2]]
        [bitfold_registers_pkg::CONTROL_IRQ_ENABLE_BIT] = irq_enable;
    words[bitfold_registers_pkg::STATUS_OFFSET[6:2]] = status;
    words[bitfold_registers_pkg::IRQ_PENDING_OFFSET[6:2]]
        [bitfold_registers_pkg::IRQ_PENDING_DONE_BIT] = irq_pending;
    words[bitfold_registers_pkg::SOURCE_OFFSET[6:2]] = source;
    words[bitfold_registers_pkg::DESTINATION_OFFSET[6:2]] = destination;
    words[bitfold_registers_pkg::FRAMES_OFFSET[6:2]] = frames;
    words[bitfold_registers_pkg::PROGRAM_ADDRESS_OFFSET[6:2]] = program_address;
    words[bitfold_registers_pkg::PROGRAM_LENGTH_OFFSET[6:2]] = program_length;
    words[bitfold_registers_pkg::DESTINATION_BEATS_OFFSET[6:2]] = destination_beats;
    words[bitfold_registers_pkg::WATCHDOG_OFFSET[6:2]] = watchdog_limit;
    words[bitfold_registers_pkg::CYCLES_LOW_OFFSET[6:2]] = cycles[31:0];
    words[bitfold_registers_pkg::CYCLES_HIGH_OFFSET[6:2]] = cycles[63:32];
    words[bitfold_registers_pkg::FRAMES_IN_OFFSET[6:2]] = frames_in;
    words[bitfold_registers_pkg::FRAMES_OUT_OFFSET[6:2]] = frames_out;
    words[bitfold_registers_pkg::INPUT_BEATS_OFFSET[6:2]] = 32'(INPUT_BEATS);
    words[bitfold_registers_pkg::OUTPUT_BEATS_OFFSET[6:2]] = 32'(OUTPUT_BEATS);
    words[bitfold_registers_pkg::FIRST_IN_OFFSET[6:2]] = first_in;
    words[bitfold_registers_pkg::FIRST_OUT_OFFSET[6:2]] = first_out;
    words[bitfold_registers_pkg::LAST_OUT_OFFSET[6:2]] = last_out;
    words[bitfold_registers_pkg::STALLED_PORTS_OFFSET[6:2]] = stalled_ports;
  end

  wire in_table = read_word[9:5] == '0;
  assign s_axi_ctrl_arready = !look_up && !answer && !s_axi_ctrl_rvalid;

  always_ff @(posedge aclk) begin
    look_up <= s_axi_ctrl_arvalid && s_axi_ctrl_arready;
    if (s_axi_ctrl_arready) read_word <= s_axi_ctrl_araddr[11:2];
    answer <= look_up;
    low <= words[{1'b0, read_word[3:0]}];
    high <= words[{1'b1, read_word[3:0]}];
    if (answer) begin
      s_axi_ctrl_rvalid <= 1'b1;
      s_axi_ctrl_rdata <= in_table ? (read_word[4] ? high : low) : layer_count;
    end else if (s_axi_ctrl_rready) begin
      s_axi_ctrl_rvalid <= 1'b0;
    end

    if (!aresetn) begin
      look_up <= 1'b0;
      answer <= 1'b0;
      s_axi_ctrl_rvalid <= 1'b0;
    end
  end

  stable_beat #(.WIDTH(1)) b_is_stable (
      .aclk,
      .aresetn,
      .valid(s_axi_ctrl_bvalid),
      .ready(s_axi_ctrl_bready),
      .payload(1'b0)
  );
  stable_beat #(.WIDTH(32)) r_is_stable (
      .aclk,
      .aresetn,
      .valid(s_axi_ctrl_rvalid),
      .ready(s_axi_ctrl_rready),
      .payload(s_axi_ctrl_rdata)
  );

endmodule

`default_nettype wire
